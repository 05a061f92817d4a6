#include "verify/merge_states/case.h"

#include <fmt/format.h>

#include <ostream>

namespace attnjit::gpu_tests {
namespace {

const char* short_name(DType dtype) {
  switch (dtype) {
    case DType::kFloat16: return "f16";
    case DType::kBFloat16: return "bf16";
    case DType::kFloat8E4M3: return "e4m3";
    case DType::kFloat32: return "f32";
    case DType::kInt32: return "i32";
  }
  return "?";
}

}  // namespace

std::string describe(const MergeStatesConfig& config) {
  return fmt::format("merge_{}_{}_to_{}", config.head_dim, short_name(config.dtype),
                     short_name(config.out_dtype.value_or(config.dtype)));
}

void PrintTo(const MergeCase& c, std::ostream* stream) {
  *stream << fmt::format("{} ({}, variant {}, {} states of {} tokens, {} heads, form {}, in place {}, seed {})", c.name,
                         describe(c.config), to_string(c.variant), c.states, c.tokens, c.heads,
                         static_cast<int>(c.form), static_cast<int>(c.in_place), c.seed);
}

}  // namespace attnjit::gpu_tests
