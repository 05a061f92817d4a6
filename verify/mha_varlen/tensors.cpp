#include "verify/mha_varlen/tensors.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "verify/poison.h"
#include "verify/views.h"

namespace attnjit::gpu_tests {
namespace {

using reference::FillParams;
using reference::Pattern;

std::vector<int> cumulative(const std::vector<int>& lengths) {
  std::vector<int> sums(lengths.size() + 1, 0);
  std::partial_sum(lengths.begin(), lengths.end(), sums.begin() + 1);
  return sums;
}

int longest(const std::vector<int>& lengths) {
  return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
}

}  // namespace

CaseTensors::CaseTensors(const Case& c, const reference::PlainKernels& plain)
    : placed_(plain),
      config_(c.config),
      poisoned_sequence_(c.poisoned_sequence),
      cu_q_(cumulative(c.len_q)),
      cu_k_(cumulative(c.len_k)) {
  make_query(c);
  make_keys_and_values(c);
  make_outputs(c);

  params_.cu_seqlens_q = placed_.vector(cu_q_, kPoisonLength);
  params_.cu_seqlens_k = placed_.vector(cu_k_, kPoisonLength);
  params_.max_seqlen_q = longest(c.len_q) + c.max_seqlen_slack;
  params_.max_seqlen_k = longest(c.len_k) + c.max_seqlen_slack;
  params_.softmax_scale =
      c.softmax_scale > 0 ? c.softmax_scale : 1.f / std::sqrt(static_cast<float>(config_.head_dim_qk));
  if (c.e4m3_output()) params_.out_scale = placed_.vector(std::vector{c.out_scale});
  fill_inputs(c);
}

void CaseTensors::make_query(const Case& c) {
  const std::int64_t tokens = cu_q_.back() + c.spare_tokens;
  const int nope = config_.head_dim_qk - config_.rope_dim;
  if (c.q_form == QueryForm::kJoint) {
    params_.q = placed_.input(c.q, config_.dtype, tokens, c.heads, config_.head_dim_qk);
    return;
  }
  params_.q_nope = placed_.input(c.q, config_.dtype, tokens, c.heads, nope);
  if (config_.rope_dim > 0) {
    params_.q_pe = placed_.input(c.q_pe, config_.dtype, tokens, c.heads, config_.rope_dim);
  }
}

void CaseTensors::make_keys_and_values(const Case& c) {
  const std::int64_t tokens = cu_k_.back() + c.spare_tokens;
  const bool joint = c.k_form == KeyForm::kJoint;
  const int columns = joint ? config_.head_dim_qk : config_.head_dim_qk - config_.rope_dim;
  Tensor& k = joint ? params_.k : params_.k_nope;
  if (c.v_beside_k) {
    const Tensor both = placed_.input(c.k, config_.dtype, tokens, c.kv_heads, columns + config_.head_dim_v);
    k = columns_of(both, 0, columns);
    params_.v = columns_of(both, columns, config_.head_dim_v);
  } else {
    k = placed_.input(c.k, config_.dtype, tokens, c.kv_heads, columns);
    params_.v = placed_.input(c.v, config_.dtype, tokens, c.kv_heads, config_.head_dim_v);
  }
  if (joint || config_.rope_dim == 0) return;
  if (c.k_form == KeyForm::kApartPerHead) {
    params_.k_pe = placed_.input(c.k_pe, config_.dtype, tokens, c.kv_heads, config_.rope_dim);
  } else {
    const Tensor pe = placed_.input(c.k_pe, config_.dtype, tokens, 1, config_.rope_dim);
    params_.k_pe = Tensor::strided(pe.data, pe.dtype, {tokens, config_.rope_dim}, {pe.strides[0], 1});
  }
}

void CaseTensors::make_outputs(const Case& c) {
  const std::int64_t tokens = cu_q_.back() + c.spare_tokens;
  params_.out =
      placed_.output("out", c.out, config_.out_dtype.value_or(config_.dtype), tokens, c.heads, config_.head_dim_v);
  params_.lse = placed_.output_lse("lse", c.lse, tokens, c.heads);
}

void CaseTensors::set_lengths(const std::vector<int>& len_q, const std::vector<int>& len_k) {
  cu_q_ = cumulative(len_q);
  cu_k_ = cumulative(len_k);
  const auto overwrite = [](const Tensor& tensor, const std::vector<int>& values) {
    Cuda::check(Cuda::get().copy_to_device(reinterpret_cast<CUdeviceptr>(tensor.data), values.data(),
                                           values.size() * sizeof(int)),
                "cuMemcpyHtoD");
    Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  };
  overwrite(params_.cu_seqlens_q, cu_q_);
  overwrite(params_.cu_seqlens_k, cu_k_);
}

void CaseTensors::fill_inputs(const Case& c) {
  FillParams q, k;
  const FillParams v{.seed = c.seed + 500};
  switch (c.data) {
    case Data::kNormal: break;
    case Data::kLargeScores: {
      // The deviation of a scaled score is dev_q dev_k scale sqrt(dqk); four times 2500 is 1e4.
      const float scores = params_.softmax_scale * std::sqrt(static_cast<float>(config_.head_dim_qk));
      q.deviation = k.deviation = std::min(100.f, std::sqrt(2500.f / scores));
      break;
    }
    case Data::kDominantKey:
      // Queries around 1, and every 17th key is 6 in all columns: its score is 6 scale dqk, 80 at the usual scale.
      q.mean = 1;
      q.deviation = 0.1f;
      k.pattern = Pattern::kSpikes;
      k.spike = 6;
      k.period = 17;
      break;
    case Data::kEqualKeys: k.pattern = Pattern::kSameForAll; break;
  }
  const auto with_seed = [](FillParams params, std::uint64_t seed) {
    params.seed = seed;
    return params;
  };
  // Rows of spare tokens stay NaN.
  const auto used = [&](Tensor tensor, int tokens) {
    if (tensor.given()) tensor.shape[0] = tokens;
    return tensor;
  };
  for (const Tensor* tensor : {&params_.q, &params_.q_nope})
    placed_.fill(used(*tensor, cu_q_.back()), with_seed(q, c.seed + 100));
  placed_.fill(used(params_.q_pe, cu_q_.back()), with_seed(q, c.seed + 200));
  for (const Tensor* tensor : {&params_.k, &params_.k_nope})
    placed_.fill(used(*tensor, cu_k_.back()), with_seed(k, c.seed + 300));
  placed_.fill(used(params_.k_pe, cu_k_.back()), with_seed(k, c.seed + 400));
  placed_.fill(used(params_.v, cu_k_.back()), v);
  if (c.poisoned_sequence >= 0) poison_sequence(c.poisoned_sequence);
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
}

void CaseTensors::poison_sequence(int sequence) const {
  const bool bf16 = config_.dtype == DType::kBFloat16;
  const std::uint32_t nan = bf16 ? 0x7fc0 : 0x7e00;
  const std::uint32_t infinity = bf16 ? 0x7f80 : 0x7c00;
  const auto overwrite = [&](Tensor tensor, const std::vector<int>& cumulative_lengths, std::uint32_t bits) {
    if (!tensor.given()) return;
    tensor.data = static_cast<std::uint16_t*>(tensor.data) + cumulative_lengths[sequence] * tensor.strides[0];
    tensor.shape[0] = cumulative_lengths[sequence + 1] - cumulative_lengths[sequence];
    placed_.fill(tensor, {.pattern = Pattern::kBits, .bits = bits});
  };
  overwrite(params_.q, cu_q_, infinity);
  overwrite(params_.q_nope, cu_q_, infinity);
  overwrite(params_.q_pe, cu_q_, nan);
  overwrite(params_.k, cu_k_, nan);
  overwrite(params_.k_nope, cu_k_, infinity);
  overwrite(params_.k_pe, cu_k_, infinity);
  overwrite(params_.v, cu_k_, infinity);
}

void CaseTensors::poison_keys(int sequence, int first, int count) const {
  const std::uint32_t nan = config_.dtype == DType::kBFloat16 ? 0x7fc0 : 0x7e00;
  for (Tensor tensor : {params_.k, params_.k_nope, params_.k_pe, params_.v}) {
    if (!tensor.given()) continue;
    tensor.data = static_cast<std::uint16_t*>(tensor.data) + (cu_k_[sequence] + first) * tensor.strides[0];
    tensor.shape[0] = count;
    placed_.fill(tensor, {.pattern = Pattern::kBits, .bits = nan});
  }
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
}

}  // namespace attnjit::gpu_tests
