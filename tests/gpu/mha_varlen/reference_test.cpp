// The plain kernels against the CPU loop on small cases: the reference of the references.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "tests/gpu/suite.h"
#include "verify/device.h"
#include "verify/reference/cpu_attention.h"
#include "verify/reference/low_precision.h"

namespace attnjit::gpu_tests {
namespace {

using reference::AttentionParams;
using reference::Element;

struct SmallCase {
  const char* name;
  Element element;
  bool causal;
  int heads, kv_heads, nope, pe, v;
  std::vector<int> cu_q, cu_k;
  float deviation = 1;
};

void PrintTo(const SmallCase& c, std::ostream* stream) { *stream << c.name; }

/// The same problem in host memory and in device memory.
class TwoMemories {
 public:
  explicit TwoMemories(const SmallCase& c) : case_(c), generator_(99) {
    const int tokens_q = c.cu_q.back();
    const int tokens_k = c.cu_k.back();
    q_ = random_rows(tokens_q * c.heads * (c.nope + c.pe));
    k_ = random_rows(tokens_k * c.kv_heads * c.nope);
    k_pe_ = random_rows(tokens_k * c.pe);
    v_ = random_rows(tokens_k * c.kv_heads * c.v);
    rows_ = tokens_q * c.heads;
  }

  struct Results {
    std::vector<double> out, lse, magnitude;
    std::vector<float> yardstick;
  };

  Results on_cpu() const {
    Results r{std::vector<double>(rows_ * case_.v), std::vector<double>(rows_), std::vector<double>(rows_),
              std::vector<float>(rows_ * case_.v)};
    AttentionParams p = params(q_.data(), k_.data(), k_pe_.data(), v_.data(), case_.cu_q.data(), case_.cu_k.data());
    p.out = r.out.data();
    p.lse = r.lse.data();
    p.magnitude = r.magnitude.data();
    p.yardstick_out = r.yardstick.data();
    reference_on_cpu(p, case_.element);
    yardstick_on_cpu(p, case_.element);
    return r;
  }

  Results on_gpu() const {
    const DeviceBuffer q = DeviceBuffer::of(q_), k = DeviceBuffer::of(k_), k_pe = DeviceBuffer::of(k_pe_),
                       v = DeviceBuffer::of(v_), cu_q = DeviceBuffer::of(case_.cu_q),
                       cu_k = DeviceBuffer::of(case_.cu_k);
    const DeviceBuffer out(rows_ * case_.v * 8), lse(rows_ * 8), magnitude(rows_ * 8), yardstick(rows_ * case_.v * 4);
    AttentionParams p = params(q.data<std::uint16_t>(), k.data<std::uint16_t>(), k_pe.data<std::uint16_t>(),
                               v.data<std::uint16_t>(), cu_q.data<int>(), cu_k.data<int>());
    p.out = out.data<double>();
    p.lse = lse.data<double>();
    p.magnitude = magnitude.data<double>();
    p.yardstick_out = yardstick.data<float>();
    suite().plain().reference(p, case_.element, nullptr);
    suite().plain().yardstick(p, case_.element, nullptr);
    return {out.download<double>(), lse.download<double>(), magnitude.download<double>(), yardstick.download<float>()};
  }

 private:
  std::vector<std::uint16_t> random_rows(int elements) {
    std::normal_distribution<float> normal(0, case_.deviation);
    std::vector<std::uint16_t> bits(elements);
    for (std::uint16_t& value : bits) value = reference::round_to_16bit(case_.element, normal(generator_));
    return bits;
  }

  AttentionParams params(const std::uint16_t* q, const std::uint16_t* k, const std::uint16_t* k_pe,
                         const std::uint16_t* v, const int* cu_q, const int* cu_k) const {
    const SmallCase& c = case_;
    AttentionParams p;
    const int dqk = c.nope + c.pe;
    p.q_nope = {q, c.heads * dqk, dqk};
    p.q_pe = {q + c.nope, c.heads * dqk, dqk};
    p.k_nope = {k, c.kv_heads * c.nope, c.nope};
    p.k_pe = {k_pe, c.pe, 0};
    p.v = {v, c.kv_heads * c.v, c.v};
    p.cu_seqlens_q = cu_q;
    p.cu_seqlens_k = cu_k;
    p.batch = static_cast<int>(c.cu_q.size()) - 1;
    p.tokens_q = c.cu_q.back();
    p.heads = c.heads;
    p.qhead_per_kvhead = c.heads / c.kv_heads;
    p.nope_columns = c.nope;
    p.pe_columns = c.pe;
    p.v_columns = c.v;
    p.causal = c.causal;
    p.softmax_scale = 0.11f;
    return p;
  }

  SmallCase case_;
  std::mt19937 generator_;
  std::vector<std::uint16_t> q_, k_, k_pe_, v_;
  int rows_ = 0;
};

void expect_near(const char* what, const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i] == want[i]) continue;  // infinities too
    ASSERT_LE(std::fabs(got[i] - want[i]), tolerance * std::max(1.0, std::fabs(want[i]))) << what << " " << i;
  }
}

class ReferenceOnGpu : public testing::TestWithParam<SmallCase> {};

TEST_P(ReferenceOnGpu, AgreesWithTheCpuLoop) {
  const TwoMemories problem(GetParam());
  const TwoMemories::Results gpu = problem.on_gpu();
  const TwoMemories::Results cpu = problem.on_cpu();
  // Both are in float64: they differ by the order of sums and the last bit of exp.
  expect_near("out", gpu.out, cpu.out, 1e-12);
  expect_near("lse", gpu.lse, cpu.lse, 1e-12);
  expect_near("magnitude", gpu.magnitude, cpu.magnitude, 1e-12);
  // In float32 the last bit may change how a probability is rounded, but the error must keep its size.
  double gpu_error = 0, cpu_error = 0;
  for (std::size_t i = 0; i < cpu.out.size(); ++i) {
    gpu_error = std::max(gpu_error, std::fabs(gpu.yardstick[i] - cpu.out[i]));
    cpu_error = std::max(cpu_error, std::fabs(cpu.yardstick[i] - cpu.out[i]));
  }
  EXPECT_LE(gpu_error, 1.1 * cpu_error + 1e-7);
  EXPECT_GE(gpu_error, 0.9 * cpu_error - 1e-7);
}

INSTANTIATE_TEST_SUITE_P(
    Reference, ReferenceOnGpu,
    testing::Values(
        SmallCase{"mla_bf16_causal", Element::kBFloat16, true, 2, 2, 128, 64, 128, {0, 5, 5, 40}, {0, 9, 20, 60}},
        SmallCase{"mla_bf16_full", Element::kBFloat16, false, 2, 2, 128, 64, 128, {0, 5, 12}, {0, 70, 70}},
        SmallCase{"gqa_f16_causal", Element::kFloat16, true, 6, 2, 64, 0, 64, {0, 33, 40}, {0, 33, 37}},
        SmallCase{"wide_f16", Element::kFloat16, false, 1, 1, 256, 0, 256, {0, 9}, {0, 40}},
        SmallCase{"narrow_bf16", Element::kBFloat16, true, 3, 1, 16, 0, 48, {0, 50}, {0, 20}},
        SmallCase{"large_scores_bf16", Element::kBFloat16, false, 1, 1, 64, 0, 64, {0, 20}, {0, 50}, 50}),
    [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace attnjit::gpu_tests
