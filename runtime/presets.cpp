#include "runtime/presets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "attnjit/error.hpp"

namespace attnjit::runtime {
namespace {

/// The prefill operators of an MLA model in bf16. New tokens attend causally, earlier chunks of a long prompt
/// are attended in full; either writes bf16, or e4m3 for an output projection that computes in fp8.
std::vector<OperatorConfig> mla_prefill(int nope_dim, int rope_dim, int head_dim_v) {
  std::vector<OperatorConfig> operators;
  for (const DType out_dtype : {DType::kBFloat16, DType::kFloat8E4M3}) {
    for (const bool causal : {true, false}) {
      operators.push_back(MhaVarlenConfig{.head_dim_qk = nope_dim + rope_dim,
                                          .head_dim_v = head_dim_v,
                                          .rope_dim = rope_dim,
                                          .dtype = DType::kBFloat16,
                                          .causal = causal,
                                          .out_dtype = out_dtype});
    }
  }
  return operators;
}

}  // namespace

const std::vector<Preset>& presets() {
  // Dims are the models' qk_nope_head_dim, qk_rope_head_dim and v_head_dim, as their published config.json
  // has them.
  static const std::vector<Preset> all = {
      {"deepseek-v2-lite", "DeepSeek-V2-Lite: MLA prefill, qk 128 + 64, v 128", mla_prefill(128, 64, 128)},
      {"deepseek-v3", "DeepSeek-V3 and R1: MLA prefill, qk 128 + 64, v 128", mla_prefill(128, 64, 128)},
      {"kimi-k2", "Kimi K2: MLA prefill, qk 128 + 64, v 128", mla_prefill(128, 64, 128)},
      {"glm-5", "GLM-5: MLA prefill, qk 192 + 64, v 256", mla_prefill(192, 64, 256)},
      {"minicpm3", "MiniCPM3: MLA prefill, qk 64 + 32, v 64", mla_prefill(64, 32, 64)},
  };
  return all;
}

const Preset& preset(std::string_view name) {
  const std::vector<Preset>& all = presets();
  const auto found = std::ranges::find(all, name, &Preset::name);
  if (found != all.end()) return *found;
  std::vector<std::string_view> names;
  for (const Preset& known : all) names.push_back(known.name);
  throw Error(Status::kInvalidArgument,
              fmt::format("there is no preset \"{}\": allowed are {}", name, fmt::join(names, ", ")));
}

}  // namespace attnjit::runtime
