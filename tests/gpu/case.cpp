#include "tests/gpu/case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ostream>

#include "jit/target.h"

namespace attnjit::gpu_tests {

std::string describe(const MhaVarlenConfig& config) {
  std::string text = fmt::format("{}x{}", config.head_dim_qk, config.head_dim_v);
  if (config.rope_dim > 0) text += fmt::format("p{}", config.rope_dim);
  text += config.dtype == DType::kBFloat16 ? "_bf16" : "_f16";
  text += config.causal ? "_causal" : "_full";
  if (config.out_dtype == DType::kFloat8E4M3) text += "_e4m3";
  return text;
}

const char* to_string(Variant variant) {
  switch (variant) {
    case Variant::kOwn: return "own";
    case Variant::kSm80: return "sm80";
    case Variant::kSm86: return "sm86";
    case Variant::kSm89: return "sm89";
  }
  return "?";
}

runtime::SmFeatures features_of(Variant variant, Tiles tiles, const runtime::SmFeatures& own) {
  runtime::SmFeatures features = own;
  switch (variant) {
    case Variant::kOwn: break;
    case Variant::kSm80: features = runtime::sm_features({8, 0, 0}); break;
    case Variant::kSm86: features = runtime::sm_features({8, 6, 0}); break;
    case Variant::kSm89: features = runtime::sm_features({8, 9, 0}); break;
  }
  features.sm_count = own.sm_count;
  if (tiles == Tiles::kLarge) features.sm_count = 1;
  if (tiles == Tiles::kSmall) features.sm_count = 1 << 20;
  return features;
}

void PrintTo(const Case& c, std::ostream* stream) {
  *stream << fmt::format("{} ({}, variant {}, {} heads, {} kv heads, len_q [{}], len_k [{}], seed {})", c.name,
                         describe(c.config), to_string(c.variant), c.heads, c.kv_heads, fmt::join(c.len_q, " "),
                         fmt::join(c.len_k, " "), c.seed);
}

}  // namespace attnjit::gpu_tests
