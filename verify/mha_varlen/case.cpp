#include "verify/mha_varlen/case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ostream>

namespace attnjit::gpu_tests {

std::string describe(const MhaVarlenConfig& config) {
  std::string text = fmt::format("{}x{}", config.head_dim_qk, config.head_dim_v);
  if (config.rope_dim > 0) text += fmt::format("p{}", config.rope_dim);
  text += config.dtype == DType::kBFloat16 ? "_bf16" : "_f16";
  text += config.causal ? "_causal" : "_full";
  if (config.out_dtype == DType::kFloat8E4M3) text += "_e4m3";
  return text;
}

void PrintTo(const Case& c, std::ostream* stream) {
  *stream << fmt::format("{} ({}, variant {}, {} heads, {} kv heads, len_q [{}], len_k [{}], seed {})", c.name,
                         describe(c.config), to_string(c.variant), c.heads, c.kv_heads, fmt::join(c.len_q, " "),
                         fmt::join(c.len_k, " "), c.seed);
}

}  // namespace attnjit::gpu_tests
