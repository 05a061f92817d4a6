// The second half of DecodeTensors: what a call wrote, and what it should have written.
#include <algorithm>

#include "verify/mla_decode/tensors.h"
#include "verify/views.h"

namespace attnjit::gpu_tests {

Output DecodeTensors::take_output() const {
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  Output output;
  std::string& trouble = output.wrong_place;
  if (out_.dtype == DType::kFloat8E4M3) {
    output.out_e4m3 = placed_.take<std::uint8_t>(out_, "out", tokens(), trouble);
  } else {
    output.out_16bit = placed_.take<std::uint16_t>(out_, "out", tokens(), trouble);
  }
  if (batch_first_lse_) {
    const std::vector<float> lse = placed_.take<float>(lse_, "lse", case_.batch(), trouble);
    for (int b = 0; b < case_.batch(); ++b) {
      for (int query = 0; query < case_.seqlen_q; ++query) {
        for (int head = 0; head < case_.heads; ++head) {
          output.lse.push_back(lse[(b * case_.heads + head) * case_.seqlen_q + query]);
        }
      }
    }
  } else if (lse_.given()) {
    output.lse = placed_.take<float>(lse_, "lse", tokens(), trouble);
  }
  trouble += placed_.check_untouched();
  return output;
}

reference::Expected DecodeTensors::expected() const {
  return expected({page_list_, page_begin_, case_.seq_lens, case_.total_seq_lens, case_.cp_rank, case_.cp_world});
}

reference::Expected DecodeTensors::expected(const DecodeKeys& keys) const {
  const MlaDecodeConfig& config = case_.config;
  const auto rows_from = [&](const Tensor& tensor, std::int64_t first_column) -> reference::Rows {
    if (!tensor.given()) return {};
    const int token_dim = tensor.rank - 3;
    return {static_cast<const char*>(tensor.data) + first_column * size_in_bytes(tensor.dtype),
            tensor.strides[token_dim], tensor.strides[token_dim + 1]};
  };
  const auto paged_from = [&](const Tensor& tensor, std::int64_t first_column) -> reference::PagedRows {
    if (!tensor.given()) return {};
    return {static_cast<const char*>(tensor.data) + first_column * size_in_bytes(tensor.dtype), tensor.strides[0],
            tensor.strides[1]};
  };
  const std::vector<int>& totals = keys.total_seq_lens.empty() ? keys.seq_lens : keys.total_seq_lens;
  const DeviceBuffer page_list = DeviceBuffer::of(keys.page_list), page_begin = DeviceBuffer::of(keys.page_begin),
                     seq_lens = DeviceBuffer::of(keys.seq_lens), total_lens = DeviceBuffer::of(totals),
                     cu_q = DeviceBuffer::of(cu_q_);
  const std::int64_t rows = tokens() * case_.heads;
  const DeviceBuffer out(rows * config.kv_lora_rank * 8), lse(rows * 8), magnitude(rows * 8),
      yardstick(rows * config.kv_lora_rank * 4);

  reference::DecodeParams p;
  const bool joint_q = params_.q.given();
  p.q_nope = rows_from(joint_q ? params_.q : params_.q_nope, 0);
  p.q_pe = joint_q ? rows_from(params_.q, config.kv_lora_rank) : rows_from(params_.q_pe, 0);
  p.format = static_cast<reference::CacheRowFormat>(config.cache_format);
  const bool joint = params_.cache.given();
  p.latent = paged_from(joint ? params_.cache : params_.latent, 0);
  p.rope = joint ? paged_from(params_.cache, config.kv_lora_rank) : paged_from(params_.rope, 0);
  p.cache_scale = cache_scale_;
  p.page_size = config.page_size;
  p.page_list = page_list.data<int>();
  p.page_begin = page_begin.data<reference::i64>();
  p.seq_lens = seq_lens.data<int>();
  p.total_seq_lens = total_lens.data<int>();
  p.cu_seqlens_q = cu_q.data<int>();
  p.batch = case_.batch();
  p.tokens = static_cast<int>(tokens());
  p.heads = case_.heads;
  p.latent_columns = config.kv_lora_rank;
  p.rope_columns = config.rope_dim;
  p.causal = config.causal;
  p.cp_rank = keys.cp_rank;
  p.cp_world = keys.cp_world;
  p.softmax_scale = params_.softmax_scale;
  p.out = out.data<double>();
  p.lse = lse.data<double>();
  p.magnitude = magnitude.data<double>();
  p.yardstick_out = yardstick.data<float>();
  const reference::Element element = element_of(config.dtype);
  placed_.plain().decode_reference(p, element, nullptr);
  placed_.plain().decode_yardstick(p, element, nullptr);

  reference::Expected expected{
      .tokens = p.tokens, .heads = p.heads, .columns = config.kv_lora_rank, .element = element};
  expected.out = out.download<double>();
  expected.lse = lse.download<double>();
  expected.magnitude = magnitude.download<double>();
  expected.yardstick = yardstick.download<float>();
  if (case_.poisoned_sequence >= 0) {
    expected.judged_tokens.assign(static_cast<std::size_t>(p.tokens), 1);
    std::fill(expected.judged_tokens.begin() + cu_q_[case_.poisoned_sequence],
              expected.judged_tokens.begin() + cu_q_[case_.poisoned_sequence + 1], 0);
  }
  return expected;
}

}  // namespace attnjit::gpu_tests
