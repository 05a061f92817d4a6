// The conversion to e4m3 for every value that a 16-bit V can produce: with one key, out is v itself. bf16 holds every
// e4m3 value, every tie between two of them, and neighbours on both sides.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/gpu/mha_varlen/tested.h"
#include "tests/gpu/suite.h"
#include "verify/device.h"
#include "verify/mha_varlen/cases.h"
#include "verify/reference/low_precision.h"

namespace attnjit::gpu_tests {
namespace {

class E4M3Conversion : public testing::TestWithParam<Variant> {};

TEST_P(E4M3Conversion, IsRightForEveryBf16) {
  // 512 sequences of one query and one key each; the rows of v count through all bit patterns.
  constexpr int kTokens = 512;
  const MhaVarlenConfig config = suite_config(192, 128, 64, DType::kBFloat16, true, true);
  std::vector<std::uint16_t> all(0x10000);
  std::vector<int> cumulative(kTokens + 1);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  for (int i = 0; i <= kTokens; ++i) cumulative[i] = i;
  const DeviceBuffer v = DeviceBuffer::of(all);
  const DeviceBuffer q(kTokens * 192 * 2), out(0x10000), lengths = DeviceBuffer::of(cumulative);
  q.fill(0x3f80, 2);
  const DeviceBuffer scale = DeviceBuffer::of(std::vector{1.f});

  MhaVarlenParams params;
  params.q = params.k = Tensor::contiguous(q.data(), DType::kBFloat16, {kTokens, 1, 192});
  params.v = Tensor::contiguous(v.data(), DType::kBFloat16, {kTokens, 1, 128});
  params.out = Tensor::contiguous(out.data(), DType::kFloat8E4M3, {kTokens, 1, 128});
  params.out_scale = Tensor::contiguous(scale.data(), DType::kFloat32, {1});
  params.cu_seqlens_q = params.cu_seqlens_k = Tensor::contiguous(lengths.data(), DType::kInt32, {kTokens + 1});
  params.max_seqlen_q = params.max_seqlen_k = 1;
  params.softmax_scale = 0.07f;
  tested_mha_varlen(config, GetParam()).run(params, nullptr);

  const std::vector<std::uint8_t> codes = out.download<std::uint8_t>();
  int wrong = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const float value = reference::float_from_bf16(all[i]);
    const std::uint8_t want = reference::e4m3_from_double(value);
    // The conversion keeps the sign of a zero; the sum before it need not.
    const bool same = codes[i] == want || (value == 0 && codes[i] % 0x80 == 0);
    if (!same && ++wrong <= 10) {
      ADD_FAILURE() << "bf16 " << std::hex << all[i] << " (" << value << "): code " << int{codes[i]} << ", want "
                    << int{want};
    }
  }
  EXPECT_EQ(wrong, 0) << "of " << all.size() << " values";
}

INSTANTIATE_TEST_SUITE_P(Correctness, E4M3Conversion, testing::Values(Variant::kOwn, Variant::kSm80),
                         [](const auto& row) { return to_string(row.param); });

}  // namespace
}  // namespace attnjit::gpu_tests
