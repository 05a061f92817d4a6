#include "operators/presets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <variant>

#include "attnjit/error.hpp"
#include "process/made_once.h"

namespace attnjit::runtime {
namespace {

/// Head dims of a model with multi-head latent attention, named as in its published config.json.
struct MlaDims {
  int qk_nope_head_dim;
  int qk_rope_head_dim;
  int v_head_dim;
  int kv_lora_rank;
};

using Operators = std::vector<OperatorConfig>;

/// A 656-byte row holds a latent of 512 and 64 rope columns.
bool has_e4m3_rows(const MlaDims& dims) { return dims.kv_lora_rank == 512 && dims.qk_rope_head_dim == 64; }

/// New tokens attend causally; earlier chunks of a long prompt are attended in full. Output that goes straight into the
/// output projection is also needed in e4m3, for projections that compute in fp8. For a chunked prompt that output
/// comes from the last merge.
std::vector<MhaVarlenConfig> prefill_configs(const MlaDims& dims) {
  MhaVarlenConfig config{.head_dim_qk = dims.qk_nope_head_dim + dims.qk_rope_head_dim,
                         .head_dim_v = dims.v_head_dim,
                         .rope_dim = dims.qk_rope_head_dim,
                         .dtype = DType::kBFloat16,
                         .causal = true,
                         .out_dtype = DType::kBFloat16};
  std::vector<MhaVarlenConfig> configs{config};
  config.out_dtype = DType::kFloat8E4M3;
  configs.push_back(config);
  config.causal = false;
  config.out_dtype = DType::kBFloat16;
  configs.push_back(config);
  return configs;
}

void add_mla_prefill(Operators& operators, const MlaDims& dims) {
  for (const MhaVarlenConfig& config : prefill_configs(dims)) operators.push_back(config);
}

/// For sparse-attention models: prefill under a per-query key mask, and the kernel that builds the mask.
void add_masked_mha(Operators& operators, const MlaDims& dims) {
  for (const MhaVarlenConfig& config : prefill_configs(dims)) operators.push_back(MaskedMhaConfig{config});
  operators.push_back(MaskFromTopkConfig{});
}

/// One config per cache format that exists for the dims. The result goes into the up-projection of v, in 16 bits.
void add_mla_decode(Operators& operators, const MlaDims& dims) {
  for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
    if (format == CacheFormat::kE4M3Rows && !has_e4m3_rows(dims)) continue;
    operators.push_back(MlaDecodeConfig{.kv_lora_rank = dims.kv_lora_rank,
                                        .rope_dim = dims.qk_rope_head_dim,
                                        .dtype = DType::kBFloat16,
                                        .cache_format = format,
                                        .page_size = 64,
                                        .causal = true,
                                        .out_dtype = DType::kBFloat16});
  }
}

/// Chunks of a prompt have v's columns; decode sharded over the keys of several ranks has the latent's.
void add_merge_states(Operators& operators, const MlaDims& dims) {
  const auto add = [&](int head_dim, DType out_dtype) {
    const MergeStatesConfig config{.head_dim = head_dim, .dtype = DType::kBFloat16, .out_dtype = out_dtype};
    // Added once if both dims are the same.
    if (std::ranges::find(operators, OperatorConfig(config)) == operators.end()) operators.push_back(config);
  };
  add(dims.v_head_dim, DType::kBFloat16);
  add(dims.v_head_dim, DType::kFloat8E4M3);
  add(dims.kv_lora_rank, DType::kBFloat16);
}

/// Whether a model of these dims selects keys with an indexer (top-k sparse attention).
enum class Attention { kDense, kSparse };

/// All operators of a model; each operator adds its configs in one line.
Operators mla_operators(const MlaDims& dims, Attention attention = Attention::kDense) {
  Operators operators;
  add_mla_prefill(operators, dims);
  if (attention == Attention::kSparse) add_masked_mha(operators, dims);
  add_mla_decode(operators, dims);
  add_merge_states(operators, dims);
  return operators;
}

}  // namespace

const std::vector<Preset>& presets() {
  static constinit process::MadeOnce<std::vector<Preset>> all;
  return all.get([] {
    return std::vector<Preset>{
        {"deepseek-v2-lite", "DeepSeek-V2-Lite: MLA, qk 128 + 64, v 128, latent 512",
         mla_operators({128, 64, 128, 512})},
        {"deepseek-v3", "DeepSeek-V3, R1 and the sparse V3.2: MLA, qk 128 + 64, v 128, latent 512",
         mla_operators({128, 64, 128, 512}, Attention::kSparse)},
        {"kimi-k2", "Kimi K2: MLA, qk 128 + 64, v 128, latent 512", mla_operators({128, 64, 128, 512})},
        {"glm-5", "GLM-5: MLA, qk 192 + 64, v 256, latent 512", mla_operators({192, 64, 256, 512}, Attention::kSparse)},
        {"minicpm3", "MiniCPM3: MLA, qk 64 + 32, v 64, latent 256", mla_operators({64, 32, 64, 256})},
        {"mistral-small-4", "Mistral Small 4: MLA, qk 64 + 64, v 128, latent 256", mla_operators({64, 64, 128, 256})},
    };
  });
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
