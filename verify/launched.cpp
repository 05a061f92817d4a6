#include "verify/launched.h"

#include <algorithm>
#include <numeric>

#include "operators/mask_from_topk/kernels.h"
#include "operators/merge_states/kernels.h"
#include "operators/mha_varlen/kernels.h"
#include "operators/mla_decode/kernels.h"
#include "verify/masked_mha/cases.h"
#include "verify/merge_states/cases.h"
#include "verify/mha_varlen/cases.h"
#include "verify/mla_decode/cases.h"

namespace attnjit::gpu_tests {
namespace {

using Plans = std::vector<runtime::KernelPlan>;

int longest(const std::vector<int>& lengths) {
  return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
}

void add(const Plans& plans, Plans& to) { to.insert(to.end(), plans.begin(), plans.end()); }

void add_attention(const Case& c, runtime::KeyMasking masking, const runtime::SmFeatures& own, Plans& to) {
  runtime::MhaVarlenCall call{};
  call.operator_name = "mha_varlen";
  call.batch = static_cast<int>(c.len_q.size());
  call.heads = call.params.num_heads = c.heads;
  call.params.qhead_per_kvhead = c.heads / c.kv_heads;
  call.tokens_q = std::reduce(c.len_q.begin(), c.len_q.end()) + c.spare_tokens;
  call.tokens_k = std::reduce(c.len_k.begin(), c.len_k.end()) + c.spare_tokens;
  call.max_seqlen_q = static_cast<int>(std::min<std::int64_t>(longest(c.len_q) + c.max_seqlen_slack, call.tokens_q));
  call.max_seqlen_k = static_cast<int>(std::min<std::int64_t>(longest(c.len_k) + c.max_seqlen_slack, call.tokens_k));
  const auto kernels = runtime::choose_mha_varlen(c.config, features_of(c.variant, c.tiles, own), masking);
  add(launched(*kernels, call, forced_by(c.tiles)), to);
}

}  // namespace

Plans mha_varlen_launched(const runtime::SmFeatures& own) {
  Plans all;
  for (const Case& c : fixed_cases()) add_attention(c, runtime::KeyMasking::kNone, own, all);
  return all;
}

Plans masked_mha_launched(const runtime::SmFeatures& own) {
  Plans all;
  for (const MaskedCase& c : masked_fixed_cases()) {
    add_attention(c.attention, runtime::KeyMasking::kBitmask, own, all);
    if (longest(c.attention.len_q) > 0) all.push_back(runtime::mask_from_topk_plan());
  }
  return all;
}

Plans mla_decode_launched(const runtime::SmFeatures& own) {
  Plans all;
  for (const DecodeCase& c : decode_fixed_cases()) {
    runtime::MlaDecodeCall call{};
    call.params.batch = c.batch();
    call.params.num_heads = c.heads;
    call.params.max_seqlen_q = c.seqlen_q;
    if (!c.packed_q.empty()) {
      call.params.max_seqlen_q =
          std::min(longest(c.packed_q) + c.max_seqlen_slack, std::reduce(c.packed_q.begin(), c.packed_q.end()));
    }
    const auto kernels = runtime::choose_mla_decode(c.config, features_of(c, own));
    add(launched(*kernels, call), all);
  }
  return all;
}

Plans merge_states_launched(const runtime::SmFeatures& own) {
  Plans all;
  for (const MergeCase& c : merge_fixed_cases()) {
    kernel::MergeStatesParams call{};
    call.rows = std::int64_t{c.tokens} * c.heads;
    const auto kernels = runtime::choose_merge_states(c.config, features_of(c.variant, Tiles::kAsPlanned, own));
    add(launched(*kernels, call), all);
  }
  return all;
}

}  // namespace attnjit::gpu_tests
