#include "verify/mla_decode/tensors.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "verify/dice.h"
#include "verify/mla_decode/latent_rows.h"
#include "verify/poison.h"
#include "verify/reference/cpu_kernels.h"
#include "verify/reference/low_precision.h"
#include "verify/views.h"

namespace attnjit::gpu_tests {
namespace {

using reference::FillParams;
using reference::Pattern;

/// Keys cycle through this many rows. A prime, so keys a page or a tile apart are different rows.
constexpr int kKeyRows = 509;

std::vector<int> cumulative(const std::vector<int>& lengths) {
  std::vector<int> sums(lengths.size() + 1, 0);
  std::partial_sum(lengths.begin(), lengths.end(), sums.begin() + 1);
  return sums;
}

int longest(const std::vector<int>& lengths) {
  return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
}

void overwrite(const Tensor& tensor, const std::vector<int>& values) {
  if (values.empty()) return;
  Cuda::check(Cuda::get().copy_to_device(reinterpret_cast<CUdeviceptr>(tensor.data), values.data(),
                                         values.size() * sizeof(int)),
              "cuMemcpyHtoD");
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
}

}  // namespace

DecodeTensors::DecodeTensors(const DecodeCase& c, const reference::PlainKernels& plain)
    : case_(c), placed_(plain), cu_q_(cumulative(c.len_q())) {
  params_.softmax_scale = c.softmax_scale > 0 ? c.softmax_scale : 1.f / std::sqrt(192.f);
  make_query();
  make_cache();
  make_outputs();
  make_lengths();
  if (c.e4m3_output()) params_.out_scale = placed_.vector(std::vector{c.out_scale});
  if (c.config.cache_format == CacheFormat::kE4M3 && c.cache_scale > 0) {
    cache_scale_ = c.cache_scale * deviation();
    params_.cache_scale = placed_.vector(std::vector{cache_scale_});
  }
  if (!plain.keeps_content()) return;
  fill_queries();
  make_keys();
  fill_cache(params_.cache.given() ? params_.cache : params_.latent, params_.rope, keys_, latent_bytes(c.config));
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
}

MlaDecodeBounds DecodeTensors::bounds() const {
  const int queries = case_.packed_q.empty() ? case_.seqlen_q : params_.max_seqlen_q;
  return {.batch = case_.batch(), .max_seqlen_q = queries, .num_heads = case_.heads};
}

// ---- memory --------------------------------------------------------------------------------------------------------

namespace {

/// A tensor [tokens, heads, columns] as [B, s_q, H, columns], unless tokens are packed.
Tensor batched(const Tensor& t, const DecodeCase& c) {
  if (!c.packed_q.empty()) return t;
  return Tensor::strided(t.data, t.dtype, {c.batch(), c.seqlen_q, t.shape[1], t.shape[2]},
                         {t.strides[0] * c.seqlen_q, t.strides[0], t.strides[1], 1});
}

}  // namespace

void DecodeTensors::make_query() {
  const MlaDecodeConfig& config = case_.config;
  const auto make = [&](Storage storage, int columns) {
    return batched(placed_.input(storage, config.dtype, tokens(), case_.heads, columns), case_);
  };
  if (case_.q_form == QueryForm::kJoint) {
    params_.q = make(case_.q, config.kv_lora_rank + config.rope_dim);
    return;
  }
  params_.q_nope = make(case_.q, config.kv_lora_rank);
  if (config.rope_dim > 0) params_.q_pe = make(case_.q_pe, config.rope_dim);
}

void DecodeTensors::make_cache() {
  const MlaDecodeConfig& config = case_.config;
  pages_per_sequence_ = (longest(case_.seq_lens) + config.page_size - 1) / config.page_size;
  const int sequences = case_.shared_sequences > 0 ? case_.shared_sequences : case_.batch();
  pages_ = std::int64_t{sequences} * pages_per_sequence_ + 3;
  const DType dtype = config.cache_format == CacheFormat::kSame ? config.dtype : DType::kFloat8E4M3;
  const auto make = [&](Storage storage, int columns) {
    return placed_.input(storage, dtype, pages_, config.page_size, columns);
  };
  if (config.cache_format == CacheFormat::kE4M3Rows) {
    params_.cache = make(case_.cache, 656);
  } else if (case_.cache_form == CacheForm::kJoint) {
    params_.cache = make(case_.cache, config.kv_lora_rank + config.rope_dim);
  } else {
    params_.latent = make(case_.cache, config.kv_lora_rank);
    if (config.rope_dim > 0) params_.rope = make(case_.rope, config.rope_dim);
  }
}

void DecodeTensors::make_outputs() {
  const MlaDecodeConfig& config = case_.config;
  out_ = placed_.output("out", case_.out, config.out_dtype.value_or(config.dtype), tokens(), case_.heads,
                        config.kv_lora_rank);
  params_.out = batched(out_, case_);
  const bool packed = !case_.packed_q.empty();
  batch_first_lse_ = case_.lse == DecodeLse::kBatchFirst && !packed;
  if (batch_first_lse_) {
    lse_ = placed_.output("lse", Storage::kPacked, DType::kFloat32, case_.batch(), case_.heads, case_.seqlen_q);
    params_.lse = Tensor::strided(lse_.data, lse_.dtype, {case_.batch(), case_.seqlen_q, case_.heads},
                                  {lse_.strides[0], 1, lse_.strides[1]});
    return;
  }
  LseStorage storage = LseStorage::kHeadsFirst;
  if (case_.lse == DecodeLse::kNone) storage = LseStorage::kNone;
  if (case_.lse == DecodeLse::kTokensFirst) storage = LseStorage::kTokensFirst;
  if (case_.lse == DecodeLse::kPadded) storage = LseStorage::kPadded;
  lse_ = placed_.output_lse("lse", storage, tokens(), case_.heads);
  params_.lse = packed || !lse_.given()
                    ? lse_
                    : Tensor::strided(lse_.data, lse_.dtype, {case_.batch(), case_.seqlen_q, case_.heads},
                                      {lse_.strides[0] * case_.seqlen_q, lse_.strides[0], lse_.strides[1]});
}

void DecodeTensors::make_lengths() {
  const std::int64_t batch = case_.batch();
  table_row_ = pages_per_sequence_ + case_.table_slack + (case_.pages == PageForm::kPaddedTable ? 5 : 0);
  deal_pages(case_.seed);
  if (case_.pages == PageForm::kIndices) {
    page_list_.resize(static_cast<std::size_t>(batch * pages_per_sequence_), kPoisonLength);
    params_.kv_indices = placed_.vector(page_list_, kPoisonLength);
    std::vector<int> begin(page_begin_.begin(), page_begin_.end());
    begin.push_back(static_cast<int>(page_list_.size()));
    params_.kv_indptr = placed_.vector(begin, kPoisonLength);
  } else {
    const Tensor list = placed_.vector(page_list_, kPoisonLength);
    params_.block_table =
        Tensor::strided(list.data, DType::kInt32, {batch, pages_per_sequence_ + case_.table_slack}, {table_row_, 1});
  }
  params_.seq_lens = placed_.vector(case_.seq_lens, kPoisonLength);
  if (!case_.packed_q.empty()) {
    params_.cu_seqlens_q = placed_.vector(cu_q_, kPoisonLength);
    params_.max_seqlen_q = longest(case_.packed_q) + case_.max_seqlen_slack;
  }
  if (!case_.total_seq_lens.empty()) {
    params_.total_seq_lens = placed_.vector(case_.total_seq_lens, kPoisonLength);
    params_.cp_rank = case_.cp_rank;
    params_.cp_world = case_.cp_world;
  }
}

/// Assigns pages to the sequences in shuffled order and builds the page list; the rest of the list is garbage.
void DecodeTensors::deal_pages(std::uint64_t seed) {
  std::vector<int> order(static_cast<std::size_t>(pages_));
  std::iota(order.begin(), order.end(), 0);
  Dice dice(seed);
  for (int i = static_cast<int>(order.size()) - 1; i > 0; --i) std::swap(order[i], order[dice.below(i + 1)]);
  page_list_.clear();
  page_begin_.clear();
  for (int b = 0; b < case_.batch(); ++b) {
    const int owner = case_.shared_sequences > 0 ? b % case_.shared_sequences : b;
    const int pages = (case_.seq_lens[b] + case_.config.page_size - 1) / case_.config.page_size;
    page_begin_.push_back(static_cast<std::int64_t>(page_list_.size()));
    for (int i = 0; i < pages; ++i) page_list_.push_back(order[owner * pages_per_sequence_ + i]);
    if (case_.pages == PageForm::kIndices) continue;
    page_list_.resize(static_cast<std::size_t>(page_begin_.back() + table_row_), kPoisonLength);
  }
}

void DecodeTensors::set_lengths(const std::vector<int>& seq_lens, const std::vector<int>& packed_q,
                                std::uint64_t page_seed) {
  if (longest(seq_lens) > pages_per_sequence_ * case_.config.page_size) {
    throw std::logic_error("a sequence would need more pages than there are");
  }
  case_.seq_lens = seq_lens;
  deal_pages(page_seed);
  if (case_.pages == PageForm::kIndices) {
    overwrite(params_.kv_indices, page_list_);
    std::vector<int> begin(page_begin_.begin(), page_begin_.end());
    begin.push_back(static_cast<int>(page_list_.size()));
    overwrite(params_.kv_indptr, begin);
  } else {
    overwrite(params_.block_table, page_list_);
  }
  overwrite(params_.seq_lens, seq_lens);
  if (!packed_q.empty()) {
    case_.packed_q = packed_q;
    cu_q_ = cumulative(packed_q);
    overwrite(params_.cu_seqlens_q, cu_q_);
  }
  fill_cache(params_.cache.given() ? params_.cache : params_.latent, params_.rope, keys_, latent_bytes(case_.config));
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
}

// ---- contents ------------------------------------------------------------------------------------------------------

float DecodeTensors::deviation() const {
  if (case_.data != Data::kLargeScores) return 1;
  // The deviation of a scaled score is dev_q dev_k scale sqrt(R + P); four times 2500 is 1e4.
  const auto columns = static_cast<float>(case_.config.kv_lora_rank + case_.config.rope_dim);
  return std::min(100.f, std::sqrt(2500.f / (params_.softmax_scale * std::sqrt(columns))));
}

void DecodeTensors::fill_queries() const {
  FillParams q{.seed = case_.seed + 100, .deviation = deviation()};
  if (case_.data == Data::kDominantKey) {
    q.mean = 1;
    q.deviation = 0.1f;
  }
  const bool bf16 = case_.config.dtype == DType::kBFloat16;
  for (const Tensor* tensor : {&params_.q, &params_.q_nope, &params_.q_pe}) {
    if (!tensor->given()) continue;
    const int last = tensor->rank - 1;
    Tensor flat = Tensor::strided(tensor->data, tensor->dtype, {tokens(), case_.heads, tensor->shape[last]},
                                  {tensor->strides[last - 2], tensor->strides[last - 1], 1});
    placed_.fill(flat, q);
    ++q.seed;
    if (case_.poisoned_sequence < 0) continue;
    const int first = cu_q_[case_.poisoned_sequence];
    flat.data = static_cast<std::uint16_t*>(flat.data) + first * flat.strides[0];
    flat.shape[0] = cu_q_[case_.poisoned_sequence + 1] - first;
    placed_.fill(flat, {.pattern = Pattern::kBits, .bits = bf16 ? 0x7f80u : 0x7c00u});
  }
}

void DecodeTensors::make_keys() {
  const int columns = case_.config.kv_lora_rank + case_.config.rope_dim;
  const reference::Element element = element_of(case_.config.dtype);
  std::vector<std::uint16_t> bits(static_cast<std::size_t>(kKeyRows * columns));
  FillParams fill{.data = bits.data(),
                  .element = element,
                  .tokens = kKeyRows,
                  .heads = 1,
                  .columns = columns,
                  .token_stride = columns,
                  .seed = case_.seed + 300,
                  .deviation = deviation()};
  if (case_.data == Data::kEqualKeys) fill.pattern = Pattern::kSameForAll;
  if (case_.data == Data::kDominantKey) {
    fill.pattern = Pattern::kSpikes;
    fill.spike = 6;
    fill.period = 17;
  }
  reference::CpuKernels().fill(fill, nullptr);
  for (int row = 0; row < kKeyRows; ++row) {
    std::vector<float> values;
    for (int c = 0; c < columns; ++c) values.push_back(reference::float_from_16bit(element, bits[row * columns + c]));
    keys_.push_back(pack_row(case_.config, values, cache_scale_));
  }
}

int DecodeTensors::key_row(int sequence, int key) const {
  const int owner = case_.shared_sequences > 0 ? sequence % case_.shared_sequences : sequence;
  return (owner * 131 + key) % kKeyRows;
}

/// Writes `rows` in stored form: `latent_bytes` go to `latent`, the rest to `rope`, or next to them if that is not
/// given.
void DecodeTensors::fill_cache(const Tensor& latent, const Tensor& rope,
                               const std::vector<std::vector<std::uint8_t>>& rows, int latent_bytes) const {
  const auto put = [&](const Tensor& tensor, int first_byte, int row_bytes) {
    const int element_bytes = size_in_bytes(tensor.dtype);
    const std::int64_t page_size = case_.config.page_size;
    std::vector<std::uint8_t> bytes;
    std::vector<std::int64_t> offsets;
    for (int b = 0; b < case_.batch(); ++b) {
      const bool written = case_.shared_sequences > 0 && b >= case_.shared_sequences &&
                           case_.seq_lens[b] <= case_.seq_lens[b % case_.shared_sequences];
      if (written) continue;
      for (int key = 0; key < case_.seq_lens[b]; ++key) {
        const auto begin = rows[key_row(b, key)].begin() + first_byte;
        bytes.insert(bytes.end(), begin, begin + row_bytes);
        if (b == case_.poisoned_sequence) {  // NaN in every format; in 16-bit caches every other row is infinite
          const bool infinite = key % 2 == 1 && element_bytes == 2;
          const std::uint16_t infinity = case_.config.dtype == DType::kBFloat16 ? 0x7f80 : 0x7c00;
          for (auto at = bytes.end() - row_bytes; at != bytes.end(); at += 2) {
            at[0] = infinite ? infinity & 0xff : 0xff;
            at[1] = infinite ? infinity >> 8 : 0xff;
          }
        }
        const std::int64_t page = page_list_[page_begin_[b] + key / page_size];
        offsets.push_back((page * tensor.strides[0] + key % page_size * tensor.strides[1]) * element_bytes);
      }
    }
    if (offsets.empty()) return;
    const DeviceBuffer source = DeviceBuffer::of(bytes), places = DeviceBuffer::of(offsets);
    placed_.plain().scatter({.source = source.data<std::uint8_t>(),
                             .destination = static_cast<std::uint8_t*>(tensor.data),
                             .offsets = places.data<reference::i64>(),
                             .rows = static_cast<int>(offsets.size()),
                             .row_bytes = row_bytes},
                            nullptr);
    Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");  // before the sources are freed
  };
  const int row_bytes = static_cast<int>(rows[0].size());
  if (!rope.given()) {
    put(latent, 0, row_bytes);
  } else {
    put(latent, 0, latent_bytes);
    put(rope, latent_bytes, row_bytes - latent_bytes);
  }
}

std::vector<int> DecodeTensors::pages_of(int sequence) const {
  const int pages = (case_.seq_lens[sequence] + case_.config.page_size - 1) / case_.config.page_size;
  const auto begin = page_list_.begin() + page_begin_[sequence];
  return {begin, begin + pages};
}

MlaDecodeParams DecodeTensors::with_16bit_cache() {
  MlaDecodeParams params = params_;
  const int columns = case_.config.kv_lora_rank + case_.config.rope_dim;
  params.cache = placed_.input(Storage::kPadded, case_.config.dtype, pages_, case_.config.page_size, columns);
  params.latent = params.rope = params.cache_scale = {};
  std::vector<std::vector<std::uint8_t>> rows;
  for (const std::vector<std::uint8_t>& key : keys_) {
    const std::vector<std::uint16_t> values = unpack_row(case_.config, key, cache_scale_);
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(values.data());
    rows.emplace_back(bytes, bytes + values.size() * 2);
  }
  fill_cache(params.cache, {}, rows, 0);
  return params;
}

}  // namespace attnjit::gpu_tests
