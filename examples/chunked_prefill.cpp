// Chunked prefill with DeepSeek-V3's dims, as in a serving engine: new tokens of several requests whose earlier tokens
// are already in the cache. The new tokens attend causally to themselves. Their context is loaded from the cache chunk
// by chunk, which bounds the memory for its keys, and attended to without a causal mask. Each step yields a partial
// (out, lse), and merge_states merges them. The last merge writes fp8 for an fp8 output projection.
#include <algorithm>
#include <attnjit/attnjit.hpp>
#include <cmath>
#include <cstdio>
#include <vector>

#include "device_tensors.hpp"

namespace {

constexpr int kHeads = 16;  // one of eight tensor-parallel ranks
constexpr int kNopeDim = 128;
constexpr int kRopeDim = 64;
constexpr int kHeadDimV = 128;
constexpr float kSoftmaxScale = 0.0722f;  // 1 / sqrt(192)
constexpr float kOutScale = 1.f / 64;     // out = e4m3 code * kOutScale

constexpr int kRequests = 3;
constexpr int kNew[kRequests] = {200, 64, 120};     // tokens of this step
constexpr int kContext[kRequests] = {900, 0, 300};  // tokens of earlier steps; the second request has none
constexpr int kChunk = 512;                         // context positions per request per chunk

attnjit::MhaVarlenConfig attention(bool causal) {
  return {.head_dim_qk = kNopeDim + kRopeDim, .head_dim_v = kHeadDimV, .rope_dim = kRopeDim, .causal = causal};
}

/// Packed keys of all requests, as gathered from the cache.
struct Keys {
  std::vector<int> lengths;
  attnjit::Tensor k_nope, k_pe, v, starts;
  int longest;

  Keys(examples::Gpu& gpu, std::vector<int> of_each_request) : lengths(std::move(of_each_request)) {
    std::vector<std::int32_t> sums{0};
    for (const int length : lengths) sums.push_back(sums.back() + length);
    longest = *std::max_element(lengths.begin(), lengths.end());
    k_nope = gpu.random({sums.back(), kHeads, kNopeDim});
    k_pe = gpu.random({sums.back(), kRopeDim});
    v = gpu.random({sums.back(), kHeads, kHeadDimV});
    starts = gpu.copy(sums);
  }
};

/// Keys and values of one request and head, by position, read back for the check.
struct HostKeys {
  std::vector<std::vector<float>> k, v;

  void append(const examples::Gpu& gpu, const Keys& keys, int request, int head) {
    const std::vector<float> k_nope = gpu.read(keys.k_nope), k_pe = gpu.read(keys.k_pe), values = gpu.read(keys.v);
    int first = 0;
    for (int i = 0; i < request; ++i) first += keys.lengths[i];
    for (int token = first; token < first + keys.lengths[request]; ++token) {
      const float* const nope = &k_nope[(token * kHeads + head) * kNopeDim];
      const float* const value = &values[(token * kHeads + head) * kHeadDimV];
      k.emplace_back(nope, nope + kNopeDim);
      k.back().insert(k.back().end(), &k_pe[token * kRopeDim], &k_pe[token * kRopeDim] + kRopeDim);
      v.emplace_back(value, value + kHeadDimV);
    }
  }
};

/// Attention of one query over the first `visible` keys, in double precision.
std::vector<double> reference_row(const float* q, const HostKeys& keys, int visible) {
  std::vector<double> scores, out(kHeadDimV, 0.0);
  for (int j = 0; j < visible; ++j) {
    double dot = 0;
    for (int d = 0; d < kNopeDim + kRopeDim; ++d) dot += double{q[d]} * keys.k[j][d];
    scores.push_back(kSoftmaxScale * dot);
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (int j = 0; j < visible; ++j) {
    const double weight = std::exp(scores[j] - largest);
    sum += weight;
    for (int d = 0; d < kHeadDimV; ++d) out[d] += weight * keys.v[j][d];
  }
  for (double& value : out) value /= sum;
  return out;
}

}  // namespace

int main() try {
  examples::Gpu gpu;
  const attnjit::Context context({.device = gpu ? 0 : -1, .arch = gpu ? "" : "sm_90a"});
  // An engine creates these once, at startup. (Without context it would use new_tokens with e4m3 output instead.)
  const attnjit::MlaPrefill new_tokens(context, attention(true));
  const attnjit::MlaPrefill context_chunk(context, attention(false));
  const attnjit::MergeStates merge(context, {.head_dim = kHeadDimV});
  const attnjit::MergeStates merge_to_fp8(context, {.head_dim = kHeadDimV, .out_dtype = attnjit::DType::kFloat8E4M3});
  if (!gpu) {
    std::printf("no GPU here: the kernels were compiled and cached for %s, not run\n", context.arch().c_str());
    return 0;
  }

  std::vector<std::int32_t> starts_q{0};
  for (const int length : kNew) starts_q.push_back(starts_q.back() + length);
  const int tokens = starts_q.back();
  const attnjit::Tensor q = gpu.random({tokens, kHeads, kNopeDim + kRopeDim});
  const attnjit::Tensor cu_seqlens_q = gpu.copy(starts_q);

  // The state that partials are merged into, one partial, and the result. lse may be stored as [H, T] or [T, H].
  const attnjit::Tensor out = gpu.zeros({tokens, kHeads, kHeadDimV}), part_out = gpu.zeros({tokens, kHeads, kHeadDimV});
  const attnjit::Tensor lse = gpu.zeros({tokens, kHeads}, attnjit::DType::kFloat32);
  const attnjit::Tensor part_lse = gpu.zeros({tokens, kHeads}, attnjit::DType::kFloat32);
  const attnjit::Tensor result = gpu.zeros({tokens, kHeads, kHeadDimV}, attnjit::DType::kFloat8E4M3);
  const attnjit::Tensor out_scale = gpu.scalar(kOutScale);

  const auto attend = [&](const attnjit::MlaPrefill& op, const Keys& keys, const attnjit::Tensor& to_out,
                          const attnjit::Tensor& to_lse) {
    op.run({.q = q,
            .k_nope = keys.k_nope,
            .k_pe = keys.k_pe,
            .v = keys.v,
            .out = to_out,
            .lse = to_lse,
            .cu_seqlens_q = cu_seqlens_q,
            .cu_seqlens_k = keys.starts,
            .max_seqlen_q = *std::max_element(kNew, kNew + kRequests),
            .max_seqlen_k = keys.longest,
            .softmax_scale = kSoftmaxScale});
  };

  const Keys own_keys(gpu, {kNew, kNew + kRequests});
  attend(new_tokens, own_keys, out, lse);

  const int chunks = (*std::max_element(kContext, kContext + kRequests) + kChunk - 1) / kChunk;
  std::vector<Keys> context_keys;  // kept for the check below; an engine reuses one buffer
  for (int chunk = 0; chunk < chunks; ++chunk) {
    std::vector<int> lengths;  // 0 for requests whose context has ended
    for (const int length : kContext) lengths.push_back(std::clamp(length - chunk * kChunk, 0, kChunk));
    const Keys& keys = context_keys.emplace_back(gpu, lengths);
    attend(context_chunk, keys, part_out, part_lse);
    const bool last = chunk + 1 == chunks;
    if (last) {
      merge_to_fp8.run(
          {.out_a = out, .lse_a = lse, .out_b = part_out, .lse_b = part_lse, .out = result, .out_scale = out_scale});
    } else {  // in place
      merge.run({.out_a = out, .lse_a = lse, .out_b = part_out, .lse_b = part_lse, .out = out, .lse = lse});
    }
  }
  gpu.synchronize();

  // ---- check the last new token of each request against the formula over all its keys
  const std::vector<float> host_q = gpu.read(q), codes = gpu.read(result);
  bool good = true;
  for (int request = 0; request < kRequests; ++request) {
    const int token = starts_q[request + 1] - 1;
    const int head = 5 * request;
    HostKeys keys;
    for (const Keys& chunk : context_keys) keys.append(gpu, chunk, request, head);
    keys.append(gpu, own_keys, request, head);
    const int visible = kContext[request] + kNew[request];
    const std::vector<double> expected =
        reference_row(&host_q[(token * kHeads + head) * (kNopeDim + kRopeDim)], keys, visible);
    double error = 0;
    for (int d = 0; d < kHeadDimV; ++d) {
      const double got = codes[(token * kHeads + head) * kHeadDimV + d] * double{kOutScale};
      // Half a step of e4m3 is 1/16 of a value, and 2^-10 of out_scale near 0; the partials are bfloat16.
      const double allowed = std::abs(expected[d]) / 16 + kOutScale / 1024 + 0.01;
      error = std::max(error, std::abs(got - expected[d]) / allowed);
    }
    std::printf("  request %d, token %3d, head %2d, %4d keys: error is %.2f of what fp8 explains\n", request, token,
                head, visible, error);
    good = good && error <= 1;
  }
  if (good) return 0;
  std::printf("these are not the formula's values\n");
  return 1;
} catch (const attnjit::Error& error) {
  std::fprintf(stderr, "attnjit: %s\n", error.what());
  return 1;
}
