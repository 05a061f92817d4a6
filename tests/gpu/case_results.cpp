// The second half of CaseTensors: what a call wrote, and what it should have written.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "tests/gpu/case_tensors.h"
#include "tests/gpu/poison.h"
#include "tests/gpu/views.h"

namespace attnjit::gpu_tests {

using reference::Element;

bool Output::operator==(const Output& other) const {
  return out_16bit == other.out_16bit && out_e4m3 == other.out_e4m3 && wrong_place == other.wrong_place &&
         lse.size() == other.lse.size() &&
         (lse.empty() || std::memcmp(lse.data(), other.lse.data(), lse.size() * sizeof(float)) == 0);
}

std::string CaseTensors::check_untouched(const DeviceBuffer& buffer, int element_bytes, std::uint32_t poison,
                                         const char* name) const {
  const std::vector<std::uint64_t> none{0, ~std::uint64_t{0}};
  const DeviceBuffer result = DeviceBuffer::of(none);
  plain_.count({.data = buffer.data(),
                .elements = buffer.bytes() / element_bytes,
                .element_bytes = element_bytes,
                .pattern = poison,
                .result = result.data<reference::u64>()},
               nullptr);
  const std::vector<std::uint64_t> found = result.download<std::uint64_t>();
  if (found[0] == 0) return "";
  return fmt::format("{} elements of {}'s buffer were written that belong to no row (the first at element {} of {}); ",
                     found[0], name, found[1], buffer.bytes() / element_bytes);
}

Output CaseTensors::take_output() const {
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  const auto take = [&](const Tensor& tensor, int columns, std::uint32_t poison) {
    const int element_bytes = size_in_bytes(tensor.dtype);
    DeviceBuffer packed(std::int64_t{cu_q_.back()} * tensor.shape[1] * columns * element_bytes);
    plain_.take({.source = tensor.data,
                 .destination = packed.data(),
                 .element_bytes = element_bytes,
                 .tokens = cu_q_.back(),
                 .heads = static_cast<int>(tensor.shape[1]),
                 .columns = columns,
                 .token_stride = tensor.strides[0],
                 .head_stride = tensor.strides[1],
                 .poison = poison},
                nullptr);
    return packed;
  };
  const auto missing = [](const auto& values, const auto& poison, const char* name) -> std::string {
    const auto left = std::count(values.begin(), values.end(), poison);
    return left == 0 ? "" : fmt::format("{} of {} elements of {} were not written; ", left, values.size(), name);
  };

  Output output;
  const DType dtype = params_.out.dtype;
  const DeviceBuffer out = take(params_.out, config_.head_dim_v, out_poison(dtype));
  if (dtype == DType::kFloat8E4M3) {
    output.out_e4m3 = out.download<std::uint8_t>();
    output.wrong_place += missing(output.out_e4m3, static_cast<std::uint8_t>(kPoisonE4M3), "out");
  } else {
    output.out_16bit = out.download<std::uint16_t>();
    output.wrong_place += missing(output.out_16bit, static_cast<std::uint16_t>(kPoison16), "out");
  }
  output.wrong_place += check_untouched(buffers_[out_buffer_], size_in_bytes(dtype), out_poison(dtype), "out");
  if (!params_.lse.given()) return output;

  const DeviceBuffer lse = take(params_.lse, 1, kPoisonLse);
  output.wrong_place += missing(lse.download<std::uint32_t>(), kPoisonLse, "lse");
  output.lse = lse.download<float>();
  output.wrong_place += check_untouched(buffers_[lse_buffer_], 4, kPoisonLse, "lse");
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
  p.heads_per_kv_head = p.heads / static_cast<int>(params_.v.shape[1]);
  p.nope_columns = nope;
  p.pe_columns = config_.rope_dim;
  p.v_columns = config_.head_dim_v;
  p.causal = config_.causal;
  p.softmax_scale = params_.softmax_scale;
  return p;
}

reference::Expected CaseTensors::expected() const {
  reference::AttentionParams p = attention_params();
  const std::int64_t rows = std::int64_t{p.tokens_q} * p.heads;
  const DeviceBuffer out(rows * p.v_columns * 8), lse(rows * 8), magnitude(rows * 8), yardstick(rows * p.v_columns * 4);
  p.out = out.data<double>();
  p.lse = lse.data<double>();
  p.magnitude = magnitude.data<double>();
  p.yardstick_out = yardstick.data<float>();
  const Element element = element_of(config_.dtype);
  plain_.reference(p, element, nullptr);
  plain_.yardstick(p, element, nullptr);

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
