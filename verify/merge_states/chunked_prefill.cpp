#include "verify/merge_states/chunked_prefill.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <ostream>
#include <utility>

#include "verify/device.h"
#include "verify/merge_states/baseline.h"
#include "verify/merge_states/prompt_parts.h"

namespace attnjit::gpu_tests {
namespace {

constexpr float kOutScale = 1.f / 64;

void judge_result(const PartResult& result, const reference::Expected& expected, reference::Verdict& out,
                  reference::Verdict& lse) {
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  out = result.out.dtype == DType::kFloat8E4M3
            ? judge_e4m3(expected, result.out_buffer.download<std::uint8_t>(), kOutScale)
            : judge_16bit(expected, result.out_buffer.download<std::uint16_t>());
  const std::vector<float> heads_first = result.lse_buffer.download<float>();
  std::vector<float> tokens_first(heads_first.size());
  for (int token = 0; token < expected.tokens; ++token) {
    for (int head = 0; head < expected.heads; ++head) {
      tokens_first[token * expected.heads + head] = heads_first[head * expected.tokens + token];
    }
  }
  lse = judge_lse(expected, tokens_first);
}

}  // namespace

MhaVarlenConfig ChunkedCase::attention(bool causal, bool e4m3) const {
  MhaVarlenConfig config{.head_dim_qk = nope_dim + rope_dim, .head_dim_v = head_dim_v, .rope_dim = rope_dim};
  config.causal = causal;
  if (e4m3) config.out_dtype = DType::kFloat8E4M3;
  return config;
}

MergeStatesConfig ChunkedCase::merge(bool e4m3) const {
  return {.head_dim = head_dim_v, .out_dtype = e4m3 ? DType::kFloat8E4M3 : DType::kBFloat16};
}

void PrintTo(const ChunkedCase& c, std::ostream* stream) {
  *stream << fmt::format("{} (new [{}], context [{}], chunks of {}, {} empty ones, {} heads, topk {}, {}, seed {})",
                         c.name, fmt::join(c.len_new, " "), fmt::join(c.len_context, " "), c.chunk, c.empty_chunks,
                         c.heads, c.topk, c.e4m3_output ? "e4m3" : "bf16", c.seed);
}

std::string ChunkedResult::trouble() const {
  for (const auto& [what, verdict] : {std::pair{"chunked out", &chunked_out},
                                      {"chunked lse", &chunked_lse},
                                      {"unchunked out", &unchunked_out},
                                      {"unchunked lse", &unchunked_lse}}) {
    if (!verdict->ok()) return fmt::format("{}: {}", what, verdict->message());
  }
  return "";
}

ChunkedResult run_chunked_prefill(const ChunkedCase& c, const ChunkRunner& runner,
                                  const reference::PlainKernels& plain) {
  const Prompt prompt(c);
  const DType out_dtype = c.e4m3_output ? DType::kFloat8E4M3 : DType::kBFloat16;
  const DeviceBuffer scale_buffer = DeviceBuffer::of(std::vector{kOutScale});
  const Tensor scale = Tensor::contiguous(scale_buffer.data(), DType::kFloat32, {1});
  std::optional<PromptMask> mask;
  if (c.topk > 0) runner.build(mask.emplace(prompt).build_params());
  const auto attend = [&](const Part& part, bool causal, const PartResult& into) {
    MaskedMhaParams p;
    if (mask) p = part.masked_params(*mask);
    p.attention = part.params();
    p.attention.out = into.out;
    p.attention.lse = into.lse;
    const bool e4m3 = into.out.dtype == DType::kFloat8E4M3;
    if (e4m3) p.attention.out_scale = scale;
    const MhaVarlenConfig config = c.attention(causal, e4m3);
    if (mask) {
      runner.attend(MaskedMhaConfig{config}, p);
    } else {
      runner.attend(config, p.attention);
    }
  };

  // ---- one call over all keys
  ChunkedResult result;
  const Part whole(prompt, prompt.all_keys, true);
  reference::Expected expected = whole.expected(plain);
  const PartResult unchunked(prompt, out_dtype);
  attend(whole, true, unchunked);
  judge_result(unchunked, expected, result.unchunked_out, result.unchunked_lse);

  // ---- new tokens, then chunk by chunk
  const Part new_part(prompt, prompt.new_keys, true);
  YardstickState yardstick = yardstick_state(new_part.expected(plain));
  const PartResult state(prompt, DType::kBFloat16), part_state(prompt, DType::kBFloat16), final(prompt, out_dtype);
  attend(new_part, true, state);
  for (std::size_t i = 0; i < prompt.context_chunks.size(); ++i) {
    const Part part(prompt, prompt.context_chunks[i], false);
    const MergedYardstick merged = merge_yardsticks({yardstick, yardstick_state(part.expected(plain))},
                                                    static_cast<int>(prompt.rows()), c.head_dim_v);
    yardstick = merged.state();
    attend(part, false, part_state);
    const bool last = i + 1 == prompt.context_chunks.size();
    if (last) expected.yardstick = merged.out;
    const PartResult& into = last ? final : state;  // in place until the last one
    MergeStatesParams p{.out_a = state.out, .lse_a = state.lse, .out_b = part_state.out, .lse_b = part_state.lse};
    p.out = into.out;
    p.lse = into.lse;
    if (last && c.e4m3_output) p.out_scale = scale;
    runner.merge(c.merge(last && c.e4m3_output), p);
    Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");  // before the part's memory is freed
  }
  judge_result(final, expected, result.chunked_out, result.chunked_lse);
  return result;
}

}  // namespace attnjit::gpu_tests
