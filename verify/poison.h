// Bit patterns around tensors, and in outputs before a call.
#pragma once

#include <cstdint>

#include "attnjit/tensor.hpp"

namespace attnjit::gpu_tests {

/// NaN in every type: around the inputs.
inline constexpr std::uint32_t kNan16 = 0xffff;
inline constexpr std::uint32_t kNan32 = 0xffffffff;
inline constexpr std::uint32_t kNanE4M3 = 0xff;
// Around and in the outputs: NaNs with a payload that no GPU arithmetic yields (it yields 0x7fff, 0x7fffffff, and 0x7f
// for conversion to e4m3).
inline constexpr std::uint32_t kPoison16 = 0xffa5;
inline constexpr std::uint32_t kPoisonE4M3 = 0xff;
inline constexpr std::uint32_t kPoison32 = 0xffa5a5a5;
/// Follows the lengths.
inline constexpr int kPoisonLength = 0x7ffffff0;

inline std::uint32_t input_poison(DType dtype) {
  return size_in_bytes(dtype) == 1 ? kNanE4M3 : size_in_bytes(dtype) == 2 ? kNan16 : kNan32;
}
inline std::uint32_t out_poison(DType dtype) {
  return size_in_bytes(dtype) == 1 ? kPoisonE4M3 : size_in_bytes(dtype) == 2 ? kPoison16 : kPoison32;
}

}  // namespace attnjit::gpu_tests
