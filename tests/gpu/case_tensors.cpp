#include "tests/gpu/case_tensors.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/gpu/poison.h"
#include "tests/gpu/views.h"

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

DeviceBuffer upload_lengths(const std::vector<int>& cumulative_lengths) {
  std::vector<int> padded = cumulative_lengths;
  padded.resize(padded.size() + 4, kPoisonLength);
  return DeviceBuffer::of(padded);
}

}  // namespace

// ---- memory --------------------------------------------------------------------------------------------------------

/// Offsets in elements.
struct CaseTensors::Placement {
  std::int64_t first = 0;
  std::int64_t token_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t extent = 0;  // of the whole buffer
};

CaseTensors::Placement CaseTensors::place(Storage storage, std::int64_t tokens, std::int64_t heads,
                                          std::int64_t columns) {
  constexpr std::int64_t kPast = (std::int64_t{1} << 31) + 4096;
  const auto far_stride = [](std::int64_t count) {
    return kPast / std::max<std::int64_t>(count - 1, 1) / 16 * 16 + 16;
  };
  Placement p;
  switch (storage) {
    case Storage::kPacked:
      p.head_stride = columns;
      p.token_stride = heads * columns;
      break;
    case Storage::kPadded:
      p.head_stride = columns + 16;
      p.token_stride = heads * p.head_stride + 48;
      break;
    case Storage::kHeadsFirst:
      p.token_stride = columns;
      p.head_stride = (tokens + 5) * columns;
      break;
    case Storage::kOneToken:
      p.head_stride = columns;
      p.token_stride = 0;
      break;
    case Storage::kOneHead:
      p.head_stride = 0;
      p.token_stride = columns;
      break;
    case Storage::kFarTokens:
      p.head_stride = columns;
      p.token_stride = far_stride(tokens);
      break;
    case Storage::kFarHeads:
      p.token_stride = columns;
      p.head_stride = far_stride(heads);
      break;
  }
  p.first = 64;  // 16-byte aligned in every type
  // Behind the last row as much space as three packed tokens take, and a tile of rows where rows are close.
  p.extent = p.first + std::max<std::int64_t>(tokens - 1, 0) * p.token_stride +
             std::max<std::int64_t>(heads - 1, 0) * p.head_stride + columns + 3 * heads * columns + 64;
  return p;
}

Tensor CaseTensors::make(Kind kind, Storage storage, DType dtype, std::int64_t tokens, std::int64_t heads,
                         std::int64_t columns) {
  const Placement p = place(storage, tokens, heads, columns);
  const int element_bytes = size_in_bytes(dtype);
  const DeviceBuffer& buffer = buffers_.emplace_back(p.extent * element_bytes);
  buffer.fill(kind == Kind::kInput ? kNan16 : out_poison(dtype), element_bytes);
  // A tensor of no elements may have a null pointer; engines pass it.
  char* const data = tokens == 0 ? nullptr : buffer.data<char>() + p.first * element_bytes;
  return Tensor::strided(data, dtype, {tokens, heads, columns}, {p.token_stride, p.head_stride, 1});
}

CaseTensors::CaseTensors(const Case& c, const reference::PlainKernels& plain)
    : plain_(plain),
      config_(c.config),
      poisoned_sequence_(c.poisoned_sequence),
      cu_q_(cumulative(c.len_q)),
      cu_k_(cumulative(c.len_k)) {
  make_query(c);
  make_keys_and_values(c);
  make_outputs(c);

  params_.cu_seqlens_q = Tensor::contiguous(buffers_.emplace_back(upload_lengths(cu_q_)).data(), DType::kInt32,
                                            {static_cast<std::int64_t>(cu_q_.size())});
  params_.cu_seqlens_k = Tensor::contiguous(buffers_.emplace_back(upload_lengths(cu_k_)).data(), DType::kInt32,
                                            {static_cast<std::int64_t>(cu_k_.size())});
  params_.max_seqlen_q = longest(c.len_q) + c.max_seqlen_slack;
  params_.max_seqlen_k = longest(c.len_k) + c.max_seqlen_slack;
  params_.softmax_scale =
      c.softmax_scale > 0 ? c.softmax_scale : 1.f / std::sqrt(static_cast<float>(config_.head_dim_qk));
  if (c.e4m3_output()) {
    params_.out_scale = Tensor::contiguous(buffers_.emplace_back(DeviceBuffer::of(std::vector{c.out_scale})).data(),
                                           DType::kFloat32, {1});
  }
  fill_inputs(c);
}

void CaseTensors::make_query(const Case& c) {
  const std::int64_t tokens = cu_q_.back() + c.spare_tokens;
  const int nope = config_.head_dim_qk - config_.rope_dim;
  if (c.q_form == QueryForm::kJoint) {
    params_.q = make(Kind::kInput, c.q, config_.dtype, tokens, c.heads, config_.head_dim_qk);
    return;
  }
  params_.q_nope = make(Kind::kInput, c.q, config_.dtype, tokens, c.heads, nope);
  if (config_.rope_dim > 0) {
    params_.q_pe = make(Kind::kInput, c.q_pe, config_.dtype, tokens, c.heads, config_.rope_dim);
  }
}

void CaseTensors::make_keys_and_values(const Case& c) {
  const std::int64_t tokens = cu_k_.back() + c.spare_tokens;
  const bool joint = c.k_form == KeyForm::kJoint;
  const int columns = joint ? config_.head_dim_qk : config_.head_dim_qk - config_.rope_dim;
  Tensor& k = joint ? params_.k : params_.k_nope;
  if (c.v_beside_k) {
    const Tensor both = make(Kind::kInput, c.k, config_.dtype, tokens, c.kv_heads, columns + config_.head_dim_v);
    k = columns_of(both, 0, columns);
    params_.v = columns_of(both, columns, config_.head_dim_v);
  } else {
    k = make(Kind::kInput, c.k, config_.dtype, tokens, c.kv_heads, columns);
    params_.v = make(Kind::kInput, c.v, config_.dtype, tokens, c.kv_heads, config_.head_dim_v);
  }
  if (joint || config_.rope_dim == 0) return;
  if (c.k_form == KeyForm::kApartPerHead) {
    params_.k_pe = make(Kind::kInput, c.k_pe, config_.dtype, tokens, c.kv_heads, config_.rope_dim);
  } else {
    const Tensor pe = make(Kind::kInput, c.k_pe, config_.dtype, tokens, 1, config_.rope_dim);
    params_.k_pe = Tensor::strided(pe.data, pe.dtype, {tokens, config_.rope_dim}, {pe.strides[0], 1});
  }
}

void CaseTensors::make_outputs(const Case& c) {
  const std::int64_t tokens = cu_q_.back() + c.spare_tokens;
  out_buffer_ = buffers_.size();
  params_.out =
      make(Kind::kOutput, c.out, config_.out_dtype.value_or(config_.dtype), tokens, c.heads, config_.head_dim_v);
  make_lse(c);
}

void CaseTensors::make_lse(const Case& c) {
  const std::int64_t tokens = params_.out.shape[0];
  std::int64_t token_stride = 1;
  std::int64_t head_stride = tokens;
  switch (c.lse) {
    case LseStorage::kNone: return;
    case LseStorage::kHeadsFirst: break;
    case LseStorage::kTokensFirst:
      token_stride = c.heads;
      head_stride = 1;
      break;
    case LseStorage::kPadded:  // element alignment is enough
      token_stride = 3;
      head_stride = 3 * tokens + 7;
      break;
  }
  constexpr std::int64_t kFirst = 5;
  const std::int64_t extent = kFirst + tokens * token_stride + c.heads * head_stride + 16;
  lse_buffer_ = buffers_.size();
  const DeviceBuffer& buffer = buffers_.emplace_back(extent * 4);
  buffer.fill(kPoisonLse, 4);
  params_.lse =
      Tensor::strided(buffer.data<float>() + kFirst, DType::kFloat32, {tokens, c.heads}, {token_stride, head_stride});
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

// ---- contents ------------------------------------------------------------------------------------------------------

void CaseTensors::fill(const Tensor& tensor, FillParams params) const {
  if (!tensor.given()) return;
  params.data = static_cast<std::uint16_t*>(tensor.data);
  params.element = element_of(tensor.dtype);
  params.tokens = static_cast<int>(tensor.shape[0]);
  params.heads = tensor.rank == 2 ? 1 : static_cast<int>(tensor.shape[1]);
  params.columns = static_cast<int>(tensor.shape[tensor.rank - 1]);
  params.token_stride = tensor.strides[0];
  params.head_stride = tensor.rank == 2 ? 0 : tensor.strides[1];
  // Tokens that share their memory cannot differ.
  if (params.token_stride == 0 && params.pattern == Pattern::kSpikes) params.pattern = Pattern::kNormal;
  plain_.fill(params, nullptr);
}

void CaseTensors::fill_inputs(const Case& c) {
  FillParams q, k;
  const FillParams v{.seed = c.seed + 500};
  switch (c.data) {
    case Data::kNormal: break;
    case Data::kLargeScores: {
      // A scaled score has the deviation dev_q dev_k scale sqrt(dqk); four times 2500 are 1e4.
      const float scores = params_.softmax_scale * std::sqrt(static_cast<float>(config_.head_dim_qk));
      q.deviation = k.deviation = std::min(100.f, std::sqrt(2500.f / scores));
      break;
    }
    case Data::kDominantKey:
      // Queries around 1 and every 17th key 6 in all columns: its score is 6 scale dqk, 80 with the usual scale.
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
    fill(used(*tensor, cu_q_.back()), with_seed(q, c.seed + 100));
  fill(used(params_.q_pe, cu_q_.back()), with_seed(q, c.seed + 200));
  for (const Tensor* tensor : {&params_.k, &params_.k_nope})
    fill(used(*tensor, cu_k_.back()), with_seed(k, c.seed + 300));
  fill(used(params_.k_pe, cu_k_.back()), with_seed(k, c.seed + 400));
  fill(used(params_.v, cu_k_.back()), v);
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
    fill(tensor, {.pattern = Pattern::kBits, .bits = bits});
  };
  overwrite(params_.q, cu_q_, infinity);
  overwrite(params_.q_nope, cu_q_, infinity);
  overwrite(params_.q_pe, cu_q_, nan);
  overwrite(params_.k, cu_k_, nan);
  overwrite(params_.k_nope, cu_k_, infinity);
  overwrite(params_.k_pe, cu_k_, infinity);
  overwrite(params_.v, cu_k_, infinity);
}

}  // namespace attnjit::gpu_tests
