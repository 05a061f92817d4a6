#include "tests/gpu/chunked_prefill.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ostream>
#include <random>

#include "tests/gpu/device.h"
#include "tests/gpu/poison.h"
#include "tests/reference/cpu_merge.h"
#include "tests/reference/low_precision.h"

namespace attnjit::gpu_tests {
namespace {

using reference::Element;
using Bits = std::vector<std::uint16_t>;

constexpr float kOutScale = 1.f / 64;

/// Rows of one request, [tokens, width].
struct HostRows {
  Bits bits;
  int width = 0;
};

HostRows random_rows(std::mt19937_64& generator, int tokens, int width) {
  std::normal_distribution<float> normal;
  HostRows rows{Bits(static_cast<std::size_t>(tokens) * width), width};
  for (std::uint16_t& value : rows.bits) value = reference::bf16_from_float(normal(generator));
  return rows;
}

/// Which keys of a request a part attends to.
struct Range {
  int first = 0;
  int count = 0;
};

/// Tokens of several requests, packed and on the device.
struct Packed {
  DeviceBuffer buffer;
  int width = 0;

  Packed(const std::vector<HostRows>& requests, const std::vector<Range>& ranges) {
    Bits all;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      width = requests[i].width;
      const auto begin = requests[i].bits.begin() + std::ptrdiff_t{ranges[i].first} * width;
      all.insert(all.end(), begin, begin + std::ptrdiff_t{ranges[i].count} * width);
    }
    buffer = DeviceBuffer::of(all);
  }
  std::int64_t tokens() const { return buffer.bytes() / 2 / width; }
  Tensor tensor(int heads) const {
    return Tensor::contiguous(buffer.data(), DType::kBFloat16, {tokens(), heads, width / heads});
  }
};

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

/// The whole problem on the host.
struct Problem {
  explicit Problem(const ChunkedCase& wanted) : c(wanted) {
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
  }
  std::int64_t rows() const { return std::int64_t{std::reduce(c.len_new.begin(), c.len_new.end())} * c.heads; }

  ChunkedCase c;
  std::vector<HostRows> q, k_nope, k_pe, v;  // by request
  std::vector<Range> new_tokens, new_keys, all_keys;
  std::vector<std::vector<Range>> context_chunks;
};

/// The new tokens over some of the keys.
class Part {
 public:
  Part(const Problem& problem, const std::vector<Range>& keys, bool causal)
      : problem_(problem),
        q_(problem.q, problem.new_tokens),
        k_nope_(problem.k_nope, keys),
        k_pe_(problem.k_pe, keys),
        v_(problem.v, keys),
        cu_q_(DeviceBuffer::of(cumulative(problem.new_tokens))),
        cu_k_(DeviceBuffer::of(cumulative(keys))),
        max_k_(longest(keys)),
        causal_(causal) {}

  MhaVarlenParams params() const {
    const ChunkedCase& c = problem_.c;
    const auto entries = static_cast<std::int64_t>(c.len_new.size()) + 1;
    MhaVarlenParams p;
    p.q = q_.tensor(c.heads);
    p.k_nope = k_nope_.tensor(c.heads);
    p.k_pe = Tensor::contiguous(k_pe_.buffer.data(), DType::kBFloat16, {k_pe_.tokens(), c.rope_dim});
    p.v = v_.tensor(c.heads);
    p.cu_seqlens_q = Tensor::contiguous(cu_q_.data(), DType::kInt32, {entries});
    p.cu_seqlens_k = Tensor::contiguous(cu_k_.data(), DType::kInt32, {entries});
    p.max_seqlen_q = longest(problem_.new_tokens);
    p.max_seqlen_k = max_k_;
    p.softmax_scale = scale();
    return p;
  }

  reference::Expected expected(const reference::PlainKernels& plain) const {
    const ChunkedCase& c = problem_.c;
    const std::int64_t rows = problem_.rows();
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

 private:
  float scale() const { return 1.f / std::sqrt(static_cast<float>(problem_.c.nope_dim + problem_.c.rope_dim)); }

  const Problem& problem_;
  Packed q_, k_nope_, k_pe_, v_;
  DeviceBuffer cu_q_, cu_k_;
  int max_k_;
  bool causal_;
};

/// An output on the device: out [tokens, heads, dv] and lse, stored [H, T].
struct Result {
  DeviceBuffer out_buffer, lse_buffer;
  Tensor out, lse;

  Result(const Problem& problem, DType dtype)
      : out_buffer(problem.rows() * problem.c.head_dim_v * size_in_bytes(dtype)), lse_buffer(problem.rows() * 4) {
    out_buffer.fill(out_poison(dtype), size_in_bytes(dtype));
    lse_buffer.fill(out_poison(DType::kFloat32), 4);
    const std::int64_t heads = problem.c.heads;
    const std::int64_t tokens = problem.rows() / heads;
    out = Tensor::contiguous(out_buffer.data(), dtype, {tokens, heads, problem.c.head_dim_v});
    lse = Tensor::strided(lse_buffer.data(), DType::kFloat32, {tokens, heads}, {1, tokens});
  }
};

void judge_result(const Result& result, const reference::Expected& expected, reference::Verdict& out,
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

/// What the chain of parts and merges is worth at best, by plain loops.
class YardstickChain {
 public:
  explicit YardstickChain(const reference::Expected& first) : expected_(first), out_(rounded(first.yardstick)) {
    for (const double lse : first.lse) lse_.push_back(static_cast<float>(lse));
  }

  void merge(const reference::Expected& part) {
    const Bits other = rounded(part.yardstick);
    const std::vector<float> other_lse(part.lse.begin(), part.lse.end());
    const int row = expected_.heads * expected_.columns;
    std::vector<double> exact(out_.size()), lse(lse_.size()), magnitude(lse_.size());
    merged_.resize(out_.size());
    reference::MergeParams p;
    p.out = {out_.data(), row, expected_.columns};
    p.lse = {lse_.data(), expected_.heads, 1};
    p.second_out = {other.data(), row, expected_.columns};
    p.second_lse = {other_lse.data(), expected_.heads, 1};
    p.states = 2;
    p.apart = true;
    p.tokens = expected_.tokens;
    p.heads = expected_.heads;
    p.columns = expected_.columns;
    p.merged_out = exact.data();
    p.merged_lse = lse.data();
    p.magnitude = magnitude.data();
    p.yardstick_out = merged_.data();
    reference::merge_on_cpu(p);
    out_ = rounded(merged_);
    lse_.assign(lse.begin(), lse.end());
  }

  /// Of the last merge, before it is rounded.
  const std::vector<float>& out() const { return merged_; }

 private:
  static Bits rounded(const std::vector<float>& values) {
    Bits bits;
    for (const float value : values) bits.push_back(reference::bf16_from_float(value));
    return bits;
  }

  reference::Expected expected_;
  Bits out_;
  std::vector<float> lse_;
  std::vector<float> merged_;
};

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
  *stream << fmt::format("{} (new [{}], context [{}], chunks of {}, {} empty ones, {} heads, {}, seed {})", c.name,
                         fmt::join(c.len_new, " "), fmt::join(c.len_context, " "), c.chunk, c.empty_chunks, c.heads,
                         c.e4m3_output ? "e4m3" : "bf16", c.seed);
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
  const Problem problem(c);
  const DType out_dtype = c.e4m3_output ? DType::kFloat8E4M3 : DType::kBFloat16;
  const DeviceBuffer scale_buffer = DeviceBuffer::of(std::vector{kOutScale});
  const Tensor scale = Tensor::contiguous(scale_buffer.data(), DType::kFloat32, {1});
  const auto attend = [&](const Part& part, bool causal, const Result& into) {
    MhaVarlenParams p = part.params();
    p.out = into.out;
    p.lse = into.lse;
    const bool e4m3 = into.out.dtype == DType::kFloat8E4M3;
    if (e4m3) p.out_scale = scale;
    runner.attend(c.attention(causal, e4m3), p);
  };

  // ---- one call over all keys
  ChunkedResult result;
  const Part whole(problem, problem.all_keys, true);
  reference::Expected expected = whole.expected(plain);
  const Result unchunked(problem, out_dtype);
  attend(whole, true, unchunked);
  judge_result(unchunked, expected, result.unchunked_out, result.unchunked_lse);

  // ---- new tokens, then chunk by chunk
  const Part new_part(problem, problem.new_keys, true);
  YardstickChain yardstick(new_part.expected(plain));
  const Result state(problem, DType::kBFloat16), part_state(problem, DType::kBFloat16), final(problem, out_dtype);
  attend(new_part, true, state);
  for (std::size_t i = 0; i < problem.context_chunks.size(); ++i) {
    const Part part(problem, problem.context_chunks[i], false);
    yardstick.merge(part.expected(plain));
    attend(part, false, part_state);
    const bool last = i + 1 == problem.context_chunks.size();
    const Result& into = last ? final : state;  // in place until the last one
    MergeStatesParams p{.out_a = state.out, .lse_a = state.lse, .out_b = part_state.out, .lse_b = part_state.lse};
    p.out = into.out;
    p.lse = into.lse;
    if (last && c.e4m3_output) p.out_scale = scale;
    runner.merge(c.merge(last && c.e4m3_output), p);
    Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");  // before the part's memory goes
  }
  expected.yardstick = yardstick.out();
  judge_result(final, expected, result.chunked_out, result.chunked_lse);
  return result;
}

}  // namespace attnjit::gpu_tests
