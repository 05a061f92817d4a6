#include "verify/merge_states/prompt_parts.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "verify/dice.h"
#include "verify/poison.h"
#include "verify/reference/low_precision.h"

namespace attnjit::gpu_tests {
namespace {

using reference::Element;
using Bits = std::vector<std::uint16_t>;

HostRows random_rows(std::mt19937_64& generator, int tokens, int width) {
  std::normal_distribution<float> normal;
  HostRows rows{Bits(static_cast<std::size_t>(tokens) * width), width};
  for (std::uint16_t& value : rows.bits) value = reference::bf16_from_float(normal(generator));
  return rows;
}

std::vector<int> cumulative(const std::vector<Range>& ranges) {
  std::vector<int> sums{0};
  for (const Range& range : ranges) sums.push_back(sums.back() + range.count);
  return sums;
}

int longest(const std::vector<Range>& ranges) {
  int most = 0;
  for (const Range& range : ranges) most = std::max(most, range.count);
  return most;
}

Tensor ints(const DeviceBuffer& buffer, std::int64_t rows, std::int64_t columns) {
  return Tensor::contiguous(buffer.data(), DType::kInt32, {rows, columns});
}

}  // namespace

// ---- the problem

Prompt::Prompt(const ChunkedCase& wanted) : c(wanted) {
  std::mt19937_64 generator(c.seed);
  for (std::size_t i = 0; i < c.len_new.size(); ++i) {
    const int keys = c.len_context[i] + c.len_new[i];
    q.push_back(random_rows(generator, c.len_new[i], c.heads * (c.nope_dim + c.rope_dim)));
    k_nope.push_back(random_rows(generator, keys, c.heads * c.nope_dim));
    k_pe.push_back(random_rows(generator, keys, c.rope_dim));
    v.push_back(random_rows(generator, keys, c.heads * c.head_dim_v));
    new_tokens.push_back({0, c.len_new[i]});
    new_keys.push_back({c.len_context[i], c.len_new[i]});
    all_keys.push_back({0, keys});
  }
  const int longest_context = *std::max_element(c.len_context.begin(), c.len_context.end());
  const int chunks = (longest_context + c.chunk - 1) / c.chunk + c.empty_chunks;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    std::vector<Range> ranges;
    for (const int context : c.len_context) {
      const int first = std::min(chunk * c.chunk, context);
      ranges.push_back({first, std::min(c.chunk, context - first)});
    }
    context_chunks.push_back(ranges);
  }
  if (c.topk == 0) return;
  // Any positions of the request: some repeated, some out of range.
  Dice dice(c.seed + 1);
  for (std::size_t i = 0; i < c.len_new.size(); ++i) {
    const int request = c.len_context[i] + c.len_new[i];
    auto& of_request = topk.emplace_back();
    for (int token = 0; token < c.len_new[i]; ++token) {
      auto& of_token = of_request.emplace_back();
      for (int k = 0; k < c.topk; ++k) of_token.push_back(dice.between(-5, request + 5));
    }
  }
}

int Prompt::tokens() const { return std::reduce(c.len_new.begin(), c.len_new.end()); }

int Prompt::longest_request() const { return longest(all_keys); }

PromptMask::PromptMask(const Prompt& prompt) {
  const std::int64_t tokens = prompt.tokens();
  const auto batch = static_cast<std::int64_t>(prompt.c.len_new.size());
  const std::int64_t words = mask_words(prompt.longest_request());
  std::vector<int> topk, lens;
  for (const auto& of_request : prompt.topk) {
    for (const auto& of_token : of_request) topk.insert(topk.end(), of_token.begin(), of_token.end());
  }
  for (const Range& keys : prompt.all_keys) lens.push_back(keys.count);
  topk_ = DeviceBuffer::of(topk);
  cu_q_ = DeviceBuffer::of(cumulative(prompt.new_tokens));
  seq_lens_ = DeviceBuffer::of(lens);
  const std::int64_t tile_rows = mask_tile_rows(tokens, batch), tile_words = mask_tile_words(words);
  mask_ = DeviceBuffer(tokens * words * 4);
  tiles_ = DeviceBuffer(tile_rows * tile_words * 4);
  mask_.fill(kPoison32, 4);
  tiles_.fill(kPoison32, 4);
  build_.topk_indices = ints(topk_, tokens, prompt.c.topk);
  build_.cu_seqlens_q = Tensor::contiguous(cu_q_.data(), DType::kInt32, {batch + 1});
  build_.seq_lens = Tensor::contiguous(seq_lens_.data(), DType::kInt32, {batch});
  build_.mask = ints(mask_, tokens, words);
  build_.mask_tiles = ints(tiles_, tile_rows, tile_words);
}

// ---- a part on the device

Packed::Packed(const std::vector<HostRows>& requests, const std::vector<Range>& ranges) {
  Bits all;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    width = requests[i].width;
    const auto begin = requests[i].bits.begin() + std::ptrdiff_t{ranges[i].first} * width;
    all.insert(all.end(), begin, begin + std::ptrdiff_t{ranges[i].count} * width);
  }
  buffer = DeviceBuffer::of(all);
}

Tensor Packed::tensor(int heads) const {
  return Tensor::contiguous(buffer.data(), DType::kBFloat16, {tokens(), heads, width / heads});
}

Part::Part(const Prompt& prompt, const std::vector<Range>& keys, bool causal)
    : prompt_(prompt),
      keys_(keys),
      q_(prompt.q, prompt.new_tokens),
      k_nope_(prompt.k_nope, keys),
      k_pe_(prompt.k_pe, keys),
      v_(prompt.v, keys),
      cu_q_(DeviceBuffer::of(cumulative(prompt.new_tokens))),
      cu_k_(DeviceBuffer::of(cumulative(keys))),
      max_k_(longest(keys)),
      causal_(causal) {
  std::vector<int> offsets;
  for (const Range& range : keys) offsets.push_back(range.first);
  key_offset_ = DeviceBuffer::of(offsets);
}

float Part::scale() const { return 1.f / std::sqrt(static_cast<float>(prompt_.c.nope_dim + prompt_.c.rope_dim)); }

MhaVarlenParams Part::params() const {
  const ChunkedCase& c = prompt_.c;
  const auto entries = static_cast<std::int64_t>(c.len_new.size()) + 1;
  MhaVarlenParams p;
  p.q = q_.tensor(c.heads);
  p.k_nope = k_nope_.tensor(c.heads);
  p.k_pe = Tensor::contiguous(k_pe_.buffer.data(), DType::kBFloat16, {k_pe_.tokens(), c.rope_dim});
  p.v = v_.tensor(c.heads);
  p.cu_seqlens_q = Tensor::contiguous(cu_q_.data(), DType::kInt32, {entries});
  p.cu_seqlens_k = Tensor::contiguous(cu_k_.data(), DType::kInt32, {entries});
  p.max_seqlen_q = longest(prompt_.new_tokens);
  p.max_seqlen_k = max_k_;
  p.softmax_scale = scale();
  return p;
}

MaskedMhaParams Part::masked_params(const PromptMask& mask) const {
  MaskedMhaParams p;
  p.attention = params();
  p.mask = mask.build_params().mask;
  p.mask_tiles = mask.build_params().mask_tiles;
  p.key_offset = Tensor::contiguous(key_offset_.data(), DType::kInt32, {static_cast<std::int64_t>(keys_.size())});
  return p;
}

std::vector<std::uint8_t> Part::visible() const {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(prompt_.tokens()) * static_cast<std::size_t>(max_k_));
  std::size_t row = 0;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    for (const std::vector<int>& positions : prompt_.topk[i]) {
      for (const int position : positions) {
        const int key = position - keys_[i].first;
        if (key >= 0 && key < keys_[i].count) bytes[row + static_cast<std::size_t>(key)] = 1;
      }
      row += static_cast<std::size_t>(max_k_);
    }
  }
  return bytes;
}

reference::Expected Part::expected(const reference::PlainKernels& plain) const {
  const ChunkedCase& c = prompt_.c;
  const std::int64_t rows = prompt_.rows();
  const DeviceBuffer out(rows * c.head_dim_v * 8), lse(rows * 8), magnitude(rows * 8);
  const DeviceBuffer yardstick(rows * c.head_dim_v * 4);
  const int dqk = c.nope_dim + c.rope_dim;
  reference::AttentionParams p;
  p.q_nope = {q_.buffer.data(), c.heads * dqk, dqk};
  p.q_pe = {q_.buffer.data<std::uint16_t>() + c.nope_dim, c.heads * dqk, dqk};
  p.k_nope = {k_nope_.buffer.data(), c.heads * c.nope_dim, c.nope_dim};
  p.k_pe = {k_pe_.buffer.data(), c.rope_dim, 0};
  p.v = {v_.buffer.data(), c.heads * c.head_dim_v, c.head_dim_v};
  p.cu_seqlens_q = cu_q_.data<int>();
  p.cu_seqlens_k = cu_k_.data<int>();
  p.batch = static_cast<int>(c.len_new.size());
  p.tokens_q = static_cast<int>(q_.tokens());
  p.heads = c.heads;
  p.nope_columns = c.nope_dim;
  p.pe_columns = c.rope_dim;
  p.v_columns = c.head_dim_v;
  p.causal = causal_;
  p.softmax_scale = scale();
  const DeviceBuffer seen = DeviceBuffer::of(c.topk > 0 ? visible() : std::vector<std::uint8_t>());
  if (c.topk > 0 && max_k_ > 0) {
    p.visible = seen.data<reference::u8>();
    p.visible_stride = max_k_;
  }
  p.out = out.data<double>();
  p.lse = lse.data<double>();
  p.magnitude = magnitude.data<double>();
  p.yardstick_out = yardstick.data<float>();
  plain.reference(p, Element::kBFloat16, nullptr);
  plain.yardstick(p, Element::kBFloat16, nullptr);
  reference::Expected expected{.tokens = p.tokens_q, .heads = c.heads, .columns = c.head_dim_v};
  expected.out = out.download<double>();
  expected.lse = lse.download<double>();
  expected.magnitude = magnitude.download<double>();
  expected.yardstick = yardstick.download<float>();
  return expected;
}

PartResult::PartResult(const Prompt& prompt, DType dtype)
    : out_buffer(prompt.rows() * prompt.c.head_dim_v * size_in_bytes(dtype)), lse_buffer(prompt.rows() * 4) {
  out_buffer.fill(out_poison(dtype), size_in_bytes(dtype));
  lse_buffer.fill(out_poison(DType::kFloat32), 4);
  const std::int64_t heads = prompt.c.heads;
  const std::int64_t tokens = prompt.rows() / heads;
  out = Tensor::contiguous(out_buffer.data(), dtype, {tokens, heads, prompt.c.head_dim_v});
  lse = Tensor::strided(lse_buffer.data(), DType::kFloat32, {tokens, heads}, {1, tokens});
}

}  // namespace attnjit::gpu_tests
