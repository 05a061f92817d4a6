// The plain kernels of MLA decode against the CPU loop on small cases: the reference of the references.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/gpu/suite.h"
#include "verify/device.h"
#include "verify/mla_decode/latent_rows.h"
#include "verify/reference/cpu_decode.h"
#include "verify/reference/low_precision.h"
#include "verify/views.h"

namespace attnjit::gpu_tests {
namespace {

using reference::DecodeParams;

constexpr int kHeads = 3;
constexpr int kPages = 20;
constexpr int kPageSize = 4;

/// The same problem in host memory and in device memory.
class TwoMemories {
 public:
  explicit TwoMemories(const MlaDecodeConfig& config) : config_(config) {
    std::mt19937 generator(99);
    std::normal_distribution<float> normal;
    const int columns = config.kv_lora_rank + config.rope_dim;
    q_.resize(static_cast<std::size_t>(cu_q_.back() * kHeads * columns));
    for (std::uint16_t& value : q_) value = reference::round_to_16bit(element_of(config.dtype), normal(generator));
    for (int row = 0; row < kPages * kPageSize; ++row) {
      std::vector<float> values(static_cast<std::size_t>(columns));
      for (float& value : values) value = normal(generator);
      const std::vector<std::uint8_t> bytes = pack_row(config, values, kScale);
      row_bytes_ = static_cast<int>(bytes.size());
      cache_.insert(cache_.end(), bytes.begin(), bytes.end());
    }
  }

  struct Results {
    std::vector<double> out, lse, magnitude;
    std::vector<float> yardstick;
  };

  Results on_cpu() const {
    Results r{std::vector<double>(rows() * config_.kv_lora_rank), std::vector<double>(rows()),
              std::vector<double>(rows()), std::vector<float>(rows() * config_.kv_lora_rank)};
    DecodeParams p =
        params(q_.data(), cache_.data(), cu_q_.data(), lens_.data(), totals_.data(), list_.data(), begin_.data());
    p.out = r.out.data();
    p.lse = r.lse.data();
    p.magnitude = r.magnitude.data();
    p.yardstick_out = r.yardstick.data();
    decode_reference_on_cpu(p, element_of(config_.dtype));
    decode_yardstick_on_cpu(p, element_of(config_.dtype));
    return r;
  }

  Results on_gpu() const {
    const DeviceBuffer q = DeviceBuffer::of(q_), cache = DeviceBuffer::of(cache_), cu_q = DeviceBuffer::of(cu_q_),
                       lens = DeviceBuffer::of(lens_), totals = DeviceBuffer::of(totals_),
                       list = DeviceBuffer::of(list_), begin = DeviceBuffer::of(begin_);
    const auto count = static_cast<std::int64_t>(rows());
    const DeviceBuffer out(count * config_.kv_lora_rank * 8), lse(count * 8), magnitude(count * 8),
        yardstick(count * config_.kv_lora_rank * 4);
    DecodeParams p = params(q.data<std::uint16_t>(), cache.data<std::uint8_t>(), cu_q.data<int>(), lens.data<int>(),
                            totals.data<int>(), list.data<int>(), begin.data<reference::i64>());
    p.out = out.data<double>();
    p.lse = lse.data<double>();
    p.magnitude = magnitude.data<double>();
    p.yardstick_out = yardstick.data<float>();
    suite().plain().decode_reference(p, element_of(config_.dtype), nullptr);
    suite().plain().decode_yardstick(p, element_of(config_.dtype), nullptr);
    return {out.download<double>(), lse.download<double>(), magnitude.download<double>(), yardstick.download<float>()};
  }

 private:
  static constexpr float kScale = 0.03f;

  std::size_t rows() const { return static_cast<std::size_t>(cu_q_.back()) * kHeads; }

  DecodeParams params(const std::uint16_t* q, const std::uint8_t* cache, const int* cu_q, const int* lens,
                      const int* totals, const int* list, const reference::i64* begin) const {
    const int columns = config_.kv_lora_rank + config_.rope_dim;
    const int element_bytes = config_.cache_format == CacheFormat::kSame ? 2 : 1;
    const reference::i64 row = row_bytes_ / element_bytes;
    DecodeParams p;
    p.q_nope = {q, kHeads * columns, columns};
    p.q_pe = {q + config_.kv_lora_rank, kHeads * columns, columns};
    p.format = static_cast<reference::CacheRowFormat>(config_.cache_format);
    p.latent = {cache, kPageSize * row, row};
    p.rope = {cache + config_.kv_lora_rank * element_bytes, kPageSize * row, row};
    p.cache_scale = config_.cache_format == CacheFormat::kE4M3 ? kScale : 1;
    p.page_size = kPageSize;
    p.page_list = list;
    p.page_begin = begin;
    p.seq_lens = lens;
    p.total_seq_lens = totals;
    p.cu_seqlens_q = cu_q;
    p.batch = static_cast<int>(lens_.size());
    p.tokens = cu_q_.back();
    p.heads = kHeads;
    p.latent_columns = config_.kv_lora_rank;
    p.rope_columns = config_.rope_dim;
    p.causal = config_.causal;
    p.cp_rank = 1;
    p.cp_world = 2;
    p.softmax_scale = 0.07f;
    return p;
  }

  MlaDecodeConfig config_;
  std::vector<std::uint16_t> q_;
  std::vector<std::uint8_t> cache_;
  int row_bytes_ = 0;
  std::vector<int> cu_q_{0, 2, 2, 5, 6};
  std::vector<int> lens_{37, 5, 2, 0};
  std::vector<int> totals_{75, 10, 4, 1};
  std::vector<int> list_{19, 3, 5, 7, 2, 11, 13, 17, 0, 1, 4, 6, 8};
  std::vector<reference::i64> begin_{0, 10, 12, 12};
};

void expect_near(const char* what, const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i] == want[i]) continue;  // infinities too
    ASSERT_LE(std::fabs(got[i] - want[i]), tolerance * std::max(1.0, std::fabs(want[i]))) << what << " " << i;
  }
}

class DecodeReferenceOnGpu : public testing::TestWithParam<MlaDecodeConfig> {};

TEST_P(DecodeReferenceOnGpu, AgreesWithTheCpuLoop) {
  const TwoMemories problem(GetParam());
  const TwoMemories::Results gpu = problem.on_gpu();
  const TwoMemories::Results cpu = problem.on_cpu();
  expect_near("out", gpu.out, cpu.out, 1e-12);
  expect_near("lse", gpu.lse, cpu.lse, 1e-12);
  expect_near("magnitude", gpu.magnitude, cpu.magnitude, 1e-12);
  // Sums in float32 in another order, and a P that is sometimes rounded the other way.
  expect_near("yardstick", {gpu.yardstick.begin(), gpu.yardstick.end()}, {cpu.yardstick.begin(), cpu.yardstick.end()},
              1e-2);
}

std::vector<MlaDecodeConfig> configs() {
  std::vector<MlaDecodeConfig> all;
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
    for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
      for (const bool causal : {true, false}) {
        all.push_back({.kv_lora_rank = 512,
                       .rope_dim = 64,
                       .dtype = dtype,
                       .cache_format = format,
                       .causal = causal,
                       .out_dtype = {}});
      }
    }
  }
  all.push_back({.kv_lora_rank = 256, .rope_dim = 32, .out_dtype = {}});
  all.push_back({.kv_lora_rank = 512, .rope_dim = 0, .cache_format = CacheFormat::kE4M3, .out_dtype = {}});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Reference, DecodeReferenceOnGpu, testing::ValuesIn(configs()), [](const auto& row) {
  return fmt::format("{}p{}_{}_{}_{}", row.param.kv_lora_rank, row.param.rope_dim,
                     row.param.dtype == DType::kBFloat16 ? "bf16" : "f16", static_cast<int>(row.param.cache_format),
                     row.param.causal ? "causal" : "full");
});

}  // namespace
}  // namespace attnjit::gpu_tests
