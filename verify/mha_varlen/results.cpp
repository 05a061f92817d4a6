// The second half of CaseTensors: what a call wrote, and what it should have written.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "verify/mha_varlen/tensors.h"
#include "verify/views.h"

namespace attnjit::gpu_tests {

using reference::Element;

bool Output::operator==(const Output& other) const {
  return out_16bit == other.out_16bit && out_e4m3 == other.out_e4m3 && wrong_place == other.wrong_place &&
         lse.size() == other.lse.size() &&
         (lse.empty() || std::memcmp(lse.data(), other.lse.data(), lse.size() * sizeof(float)) == 0);
}

Output CaseTensors::take_output() const {
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  Output output;
  std::string& trouble = output.wrong_place;
  if (params_.out.dtype == DType::kFloat8E4M3) {
    output.out_e4m3 = placed_.take<std::uint8_t>(params_.out, "out", cu_q_.back(), trouble);
  } else {
    output.out_16bit = placed_.take<std::uint16_t>(params_.out, "out", cu_q_.back(), trouble);
  }
  if (params_.lse.given()) output.lse = placed_.take<float>(params_.lse, "lse", cu_q_.back(), trouble);
  trouble += placed_.check_untouched();
  return output;
}

reference::AttentionParams CaseTensors::attention_params() const {
  const int nope = config_.head_dim_qk - config_.rope_dim;
  const auto columns_from = [&](const Tensor& joint, const Tensor& apart, int first, int count) {
    if (count == 0) return reference::Rows{};
    return rows_of(joint.given() ? columns_of(joint, first, count) : apart);
  };
  reference::AttentionParams p;
  p.q_nope = columns_from(params_.q, params_.q_nope, 0, nope);
  p.q_pe = columns_from(params_.q, params_.q_pe, nope, config_.rope_dim);
  p.k_nope = columns_from(params_.k, params_.k_nope, 0, nope);
  p.k_pe = columns_from(params_.k, params_.k_pe, nope, config_.rope_dim);
  p.v = rows_of(params_.v);
  p.cu_seqlens_q = static_cast<const int*>(params_.cu_seqlens_q.data);
  p.cu_seqlens_k = static_cast<const int*>(params_.cu_seqlens_k.data);
  p.batch = static_cast<int>(cu_q_.size()) - 1;
  p.tokens_q = cu_q_.back();
  p.heads = static_cast<int>(params_.out.shape[1]);
  p.qhead_per_kvhead = p.heads / static_cast<int>(params_.v.shape[1]);
  p.nope_columns = nope;
  p.pe_columns = config_.rope_dim;
  p.v_columns = config_.head_dim_v;
  p.causal = config_.causal;
  p.softmax_scale = params_.softmax_scale;
  return p;
}

reference::Expected CaseTensors::expected(const std::vector<std::uint8_t>& visible, std::int64_t visible_stride) const {
  reference::AttentionParams p = attention_params();
  const DeviceBuffer visible_bytes = visible_stride > 0 ? DeviceBuffer::of(visible) : DeviceBuffer(0);
  if (visible_stride > 0) {
    p.visible = visible_bytes.data<reference::u8>();
    p.visible_stride = visible_stride;
  }
  const std::int64_t rows = std::int64_t{p.tokens_q} * p.heads;
  const DeviceBuffer out(rows * p.v_columns * 8), lse(rows * 8), magnitude(rows * 8), yardstick(rows * p.v_columns * 4);
  p.out = out.data<double>();
  p.lse = lse.data<double>();
  p.magnitude = magnitude.data<double>();
  p.yardstick_out = yardstick.data<float>();
  const Element element = element_of(config_.dtype);
  placed_.plain().reference(p, element, nullptr);
  placed_.plain().yardstick(p, element, nullptr);

  reference::Expected expected{.tokens = p.tokens_q, .heads = p.heads, .columns = p.v_columns, .element = element};
  expected.out = out.download<double>();
  expected.lse = lse.download<double>();
  expected.magnitude = magnitude.download<double>();
  expected.yardstick = yardstick.download<float>();
  if (poisoned_sequence_ >= 0) {
    expected.judged_tokens.assign(p.tokens_q, 1);
    std::fill(expected.judged_tokens.begin() + cu_q_[poisoned_sequence_],
              expected.judged_tokens.begin() + cu_q_[poisoned_sequence_ + 1], 0);
  }
  return expected;
}

}  // namespace attnjit::gpu_tests
