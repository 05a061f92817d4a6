// The table of dtypes: names, sizes, DLPack types and what kernels call them. A dtype is one row.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "attnjit/tensor.hpp"
#include "templates/shared/types.h"

namespace attnjit::runtime {

/// kDLFloat8_e4m3fn of DLPack 1.1; the header that is built against may be older than the caller's.
inline constexpr int kDlpackFloat8E4M3Fn = 10;

struct DTypeRow {
  DType dtype;
  const char* name;
  std::array<std::string_view, 2> aliases;  // "" for none; read, never written
  int bits;
  int dlpack_code;
  std::optional<kernel::Element> element;  // none: indices, which are not computed with
};

/// By value.
inline constexpr std::array<DTypeRow, 5> kDTypes = {{
    {DType::kFloat16, "float16", {"fp16", "f16"}, 16, kDLFloat, kernel::Element::kFloat16},
    {DType::kBFloat16, "bfloat16", {"bf16"}, 16, kDLBfloat, kernel::Element::kBFloat16},
    {DType::kFloat8E4M3, "float8_e4m3", {"e4m3"}, 8, kDlpackFloat8E4M3Fn, kernel::Element::kFloat8E4M3},
    {DType::kFloat32, "float32", {"fp32", "f32"}, 32, kDLFloat, kernel::Element::kFloat32},
    {DType::kInt32, "int32", {}, 32, kDLInt, std::nullopt},
}};

/// nullptr for a value that is no dtype.
constexpr const DTypeRow* dtype_row(DType dtype) {
  const auto index = static_cast<std::size_t>(dtype);
  return index < kDTypes.size() ? &kDTypes[index] : nullptr;
}

constexpr bool dtypes_are_by_value() {
  for (std::size_t i = 0; i < kDTypes.size(); ++i) {
    if (static_cast<std::size_t>(kDTypes[i].dtype) != i) return false;
  }
  return true;
}
static_assert(dtypes_are_by_value());

/// size_in_bytes() of a valid dtype, inlinable.
constexpr std::int64_t element_bytes(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)].bits / 8; }
/// Of a dtype that kernels compute with, which its operator's check has made sure of.
constexpr kernel::Element element_of(DType dtype) { return *kDTypes[static_cast<std::size_t>(dtype)].element; }

}  // namespace attnjit::runtime
