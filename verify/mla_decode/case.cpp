#include "verify/mla_decode/case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ostream>

namespace attnjit::gpu_tests {

std::string describe(const MlaDecodeConfig& config) {
  constexpr const char* kFormats[] = {"same", "e4m3", "rows656"};
  std::string text = fmt::format("{}p{}_{}_{}_page{}", config.kv_lora_rank, config.rope_dim,
                                 config.dtype == DType::kBFloat16 ? "bf16" : "f16",
                                 kFormats[static_cast<int>(config.cache_format)], config.page_size);
  text += config.causal ? "_causal" : "_full";
  if (config.out_dtype == DType::kFloat8E4M3) text += "_e4m3out";
  return text;
}

runtime::SmFeatures features_of(const DecodeCase& c, const runtime::SmFeatures& own) {
  runtime::SmFeatures features = features_of(c.variant, Tiles::kAsPlanned, own);
  if (c.sms > 0) features.sm_count = c.sms;
  return features;
}

void PrintTo(const DecodeCase& c, std::ostream* stream) {
  *stream << fmt::format("{} ({}, variant {}, {} SMs, {} heads, len_q [{}], seq_lens [{}], seed {})", c.name,
                         describe(c.config), to_string(c.variant), c.sms, c.heads, fmt::join(c.len_q(), " "),
                         fmt::join(c.seq_lens, " "), c.seed);
}

}  // namespace attnjit::gpu_tests
