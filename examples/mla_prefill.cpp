// MLA prefill with DeepSeek-V3's dims through the C++ API: two prompts packed into one batch, k_pe shared by all heads,
// log-sum-exp output, and a few rows checked against the formula in double precision.
#include <algorithm>
#include <attnjit/attnjit.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "device_tensors.hpp"

namespace {

constexpr int kHeads = 16;  // one of eight tensor-parallel ranks
constexpr int kNopeDim = 128;
constexpr int kRopeDim = 64;
constexpr int kHeadDimQk = kNopeDim + kRopeDim;
constexpr int kHeadDimV = 128;
constexpr int kStarts[] = {0, 300, 1324};  // prompts of 300 and 1024 tokens
constexpr int kTokens = kStarts[2];
constexpr float kSoftmaxScale = 0.0722f;  // 1 / sqrt(192)

attnjit::MhaVarlenConfig deepseek_v3() {
  return {.head_dim_qk = kHeadDimQk,
          .head_dim_v = kHeadDimV,
          .rope_dim = kRopeDim,
          .dtype = attnjit::DType::kBFloat16,
          .causal = true};
}

void print_log(attnjit::LogLevel, const std::string& message) { std::printf("  attnjit: %s\n", message.c_str()); }

/// Host copies of what the kernel read and wrote.
struct Batch {
  std::vector<float> q, k_nope, k_pe, v, out, lse;
};

/// Attention of one query in double precision; returns its log-sum-exp.
double reference_row(const Batch& batch, int first_token, int token, int head, std::vector<double>& out) {
  std::vector<double> scores;
  for (int j = first_token; j <= token; ++j) {
    const float* const q = &batch.q[(token * kHeads + head) * kHeadDimQk];
    double dot = 0;
    for (int d = 0; d < kNopeDim; ++d) dot += double{q[d]} * batch.k_nope[(j * kHeads + head) * kNopeDim + d];
    for (int d = 0; d < kRopeDim; ++d) dot += double{q[kNopeDim + d]} * batch.k_pe[j * kRopeDim + d];
    scores.push_back(kSoftmaxScale * dot);
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  out.assign(kHeadDimV, 0.0);
  for (std::size_t j = 0; j < scores.size(); ++j) {
    const double weight = std::exp(scores[j] - largest);
    sum += weight;
    const float* const v = &batch.v[((first_token + j) * kHeads + head) * kHeadDimV];
    for (int d = 0; d < kHeadDimV; ++d) out[d] += weight * v[d];
  }
  for (double& value : out) value /= sum;
  return largest + std::log(sum);
}

/// Prints some rows beside the reference; false if an error is larger than bfloat16 rounding explains.
bool check(const Batch& batch) {
  bool good = true;
  const struct { int first_token, token, head; } rows[] = {{0, 0, 0}, {0, 299, 3}, {300, 300, 7}, {300, 1323, 15}};
  for (const auto& row : rows) {
    std::vector<double> expected;
    const double lse = reference_row(batch, row.first_token, row.token, row.head, expected);
    const float* const out = &batch.out[(row.token * kHeads + row.head) * kHeadDimV];
    double error = 0;
    for (int d = 0; d < kHeadDimV; ++d) error = std::max(error, std::abs(out[d] - expected[d]));
    const float lse_here = batch.lse[row.token * kHeads + row.head];
    std::printf("  token %4d, head %2d: out[0] = %8.5f, off by at most %.5f; lse = %.5f (%.5f)\n", row.token, row.head,
                out[0], error, lse_here, lse);
    good = good && error < 0.02 && std::abs(lse - lse_here) < 1e-3;
  }
  return good;
}

}  // namespace

int main() try {
  examples::Gpu gpu;
  attnjit::ContextOptions options;
  options.log = print_log;
  if (!gpu) {
    options.device = attnjit::ContextOptions::kNoDevice;
    options.arch = "sm_90a";
  }
  const attnjit::Context context(options);

  const auto start = std::chrono::steady_clock::now();
  const attnjit::MlaPrefill prefill(context, deepseek_v3());  // compiles, or loads from the cache
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  std::printf("MLA prefill (%d, %d) for %s ready in %.1f ms\n", kHeadDimQk, kHeadDimV, context.arch().c_str(),
              elapsed.count());
  if (!gpu) {
    std::printf("no GPU here: the kernels were compiled and cached, not run\n");
    return 0;
  }

  const attnjit::Tensor q = gpu.random({kTokens, kHeads, kHeadDimQk});
  const attnjit::Tensor k_nope = gpu.random({kTokens, kHeads, kNopeDim});
  const attnjit::Tensor k_pe = gpu.random({kTokens, kRopeDim});
  const attnjit::Tensor v = gpu.random({kTokens, kHeads, kHeadDimV});
  const attnjit::Tensor out = gpu.zeros({kTokens, kHeads, kHeadDimV});
  const attnjit::Tensor lse = gpu.zeros({kTokens, kHeads}, attnjit::DType::kFloat32);
  const attnjit::Tensor cu_seqlens = gpu.copy(std::vector<std::int32_t>(std::begin(kStarts), std::end(kStarts)));
  prefill.run({.q = q,
               .k_nope = k_nope,
               .k_pe = k_pe,
               .v = v,
               .out = out,
               .lse = lse,
               .cu_seqlens_q = cu_seqlens,
               .cu_seqlens_k = cu_seqlens,
               .max_seqlen_q = 1024,
               .max_seqlen_k = 1024,
               .softmax_scale = kSoftmaxScale});

  const Batch batch{gpu.read(q), gpu.read(k_nope), gpu.read(k_pe), gpu.read(v), gpu.read(out), gpu.read(lse)};
  if (check(batch)) return 0;
  std::printf("these are not the formula's values\n");
  return 1;
} catch (const attnjit::Error& error) {
  std::fprintf(stderr, "attnjit: %s\n", error.what());
  return 1;
}
