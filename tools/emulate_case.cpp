#include "tools/emulate_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "attnjit/error.hpp"
#include "tools/batch.h"

namespace attnjit::tools {
namespace {

using emulator_tests::Judged;

[[noreturn]] void refuse(const std::string& text) { throw Error(Status::kInvalidArgument, text); }

/// An ignored option would look as if it had been honored, so reject it.
void not_taken(const char* operator_name, const char* option, bool given) {
  if (given) refuse(fmt::format("{} does not take {}: leave it out", operator_name, option));
}

template <class Case>
RunCase runner(const Case& c) {
  return [c](emulator::KernelObjects& objects, const runtime::SmFeatures& features,
             const emulator::LaunchOptions& options) {
    return emulator_tests::run_and_judge(objects, c, features, options);
  };
}

std::string batch_or(const CaseWords& words, const char* fallback) {
  return words.batch.empty() ? fallback : words.batch;
}

gpu_tests::Case attention_case(const MhaVarlenConfig& config, const CaseWords& words, const Batch& batch) {
  gpu_tests::Case c;
  c.name = words.batch;
  c.config = config;
  c.len_q = batch.len_q;
  c.len_k = batch.len_k;
  c.heads = words.heads;
  c.kv_heads = words.kv_heads > 0 ? words.kv_heads : words.heads;
  c.seed = words.seed;
  if (words.apart) {
    c.q_form = gpu_tests::QueryForm::kApart;
    c.k_form = gpu_tests::KeyForm::kApart;
  }
  if (words.tiles != "planned") {
    c.tiles = words.tiles == "large" ? gpu_tests::Tiles::kLarge : gpu_tests::Tiles::kSmall;
  }
  return c;
}

RunCase make(const MhaVarlenConfig& config, const CaseWords& words) {
  not_taken("mla_prefill", "--topk", words.topk > 0);
  const Batch batch = parse_batch(batch_or(words, "q70s130"));
  not_taken("mla_prefill", "offsets (o<position>) in --batch", batch.has_offsets());
  return runner(attention_case(config, words, batch));
}

gpu_tests::MaskedCase masked_case(const MhaVarlenConfig& config, const CaseWords& words) {
  const Batch batch = parse_batch(batch_or(words, "q70s130"));
  gpu_tests::MaskedCase c;
  c.attention = attention_case(config, words, batch);
  c.form = gpu_tests::MaskForm::kIndices;
  if (words.topk > 0) c.topk = words.topk;
  if (batch.has_offsets()) c.key_offset = batch.offset;
  return c;
}

RunCase make(const MaskedMhaConfig& config, const CaseWords& words) {
  return runner(masked_case(config.attention, words));
}

RunCase make(const MaskFromTopkConfig&, const CaseWords& words) {
  not_taken("mask_from_topk", "--kv-heads", words.kv_heads > 0);
  not_taken("mask_from_topk", "--apart", words.apart);
  not_taken("mask_from_topk", "--tiles", words.tiles != "planned");
  // The attention tensors are created but not used: keep them small.
  CaseWords alone = words;
  alone.heads = 1;
  const gpu_tests::MaskedCase c = [&] {
    gpu_tests::MaskedCase masked = masked_case({.head_dim_qk = 16, .head_dim_v = 16}, alone);
    masked.form = gpu_tests::MaskForm::kMask;
    return masked;
  }();
  return [c](emulator::KernelObjects& objects, const runtime::SmFeatures& features,
             const emulator::LaunchOptions& options) {
    return emulator_tests::run_and_judge_mask(objects, c, features, options);
  };
}

RunCase make(const MlaDecodeConfig& config, const CaseWords& words) {
  not_taken("mla_decode", "--kv-heads", words.kv_heads > 0);
  not_taken("mla_decode", "--topk", words.topk > 0);
  not_taken("mla_decode", "--tiles", words.tiles != "planned");
  const Batch batch = parse_batch(batch_or(words, "q1s130_q1s70"));
  not_taken("mla_decode", "offsets (o<position>) in --batch", batch.has_offsets());
  gpu_tests::DecodeCase c;
  c.name = words.batch;
  c.config = config;
  c.seq_lens = batch.len_k;
  c.heads = words.heads;
  c.seed = words.seed;
  c.seqlen_q = batch.len_q.front();
  // Equal query counts: [B, s_q, H, ..]; otherwise packed.
  const bool same = std::ranges::all_of(batch.len_q, [&](int len) { return len == c.seqlen_q; });
  if (!same || c.seqlen_q == 0) c.packed_q = batch.len_q;
  if (words.apart) {
    if (config.cache_format == CacheFormat::kE4M3Rows) refuse("mla_decode: rows of 656 bytes do not come --apart");
    c.q_form = gpu_tests::QueryForm::kApart;
    c.cache_form = gpu_tests::CacheForm::kApart;
  }
  return runner(c);
}

RunCase make(const MergeStatesConfig& config, const CaseWords& words) {
  not_taken("merge_states", "--kv-heads", words.kv_heads > 0);
  not_taken("merge_states", "--topk", words.topk > 0);
  not_taken("merge_states", "--tiles", words.tiles != "planned");
  const States states = parse_states(batch_or(words, "2t70"));
  gpu_tests::MergeCase c;
  c.name = words.batch;
  c.config = config;
  c.tokens = states.tokens;
  c.states = states.count;
  c.heads = words.heads;
  c.seed = words.seed;
  if (words.apart && states.count != 2) refuse("merge_states: --apart gives out_a and out_b; it takes two states");
  c.form = words.apart ? gpu_tests::StateForm::kTwo : gpu_tests::StateForm::kStatesFirst;
  return runner(c);
}

}  // namespace

RunCase case_of(const runtime::OperatorConfig& config, const CaseWords& words) {
  return std::visit([&](const auto& of_operator) { return make(of_operator, words); }, config);
}

}  // namespace attnjit::tools
