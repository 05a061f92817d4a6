// Each accuracy bar from both sides: what just passes and what must fail.
#include "verify/reference/accuracy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attnjit::reference {
namespace {

using testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// 10 tokens, 2 heads, 10 columns of ones; the low-precision baseline is off by `yardstick_error` in one place.
Expected ones(double yardstick_error = 0) {
  Expected expected{.tokens = 10, .heads = 2, .columns = 10};
  expected.out.assign(200, 1.0);
  expected.yardstick.assign(200, 1.f);
  expected.yardstick[7] = static_cast<float>(1 + yardstick_error);
  expected.lse.assign(20, 3.0);
  expected.magnitude.assign(20, 100.0);
  return expected;
}

std::vector<std::uint16_t> bf16_ones() { return std::vector<std::uint16_t>(200, bf16_from_float(1)); }
std::vector<std::uint8_t> e4m3_ones() { return std::vector<std::uint8_t>(200, 0x38); }

TEST(Accuracy16Bit, ExactPasses) {
  const Verdict verdict = judge_16bit(ones(), bf16_ones());
  EXPECT_TRUE(verdict.ok()) << verdict.message();
  EXPECT_EQ(verdict.elements, 200);
  EXPECT_EQ(verdict.error, 0);
}

TEST(Accuracy16Bit, TwiceTheYardstickIsTheLimit) {
  auto out = bf16_ones();
  out[130] = bf16_from_float(1 + 0x1p-6f);
  EXPECT_TRUE(judge_16bit(ones(0x1p-7), out).ok());  // error 2^-6 = 2 x 2^-7
  out[130] = bf16_from_float(1 + 0x3p-7f);
  const Verdict verdict = judge_16bit(ones(0x1p-7), out);
  EXPECT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.wrong, 1);
  EXPECT_THAT(verdict.message(), HasSubstr("token 6, head 1, column 0: got 1.0234375, want 1"));
  EXPECT_THAT(verdict.message(), HasSubstr("1 of 200 elements (0.5 %)"));
}

TEST(Accuracy16Bit, TheYardstickIsRoundedOnce) {
  // 1 + 2^-9 rounds to 1 in bf16, so the low-precision baseline is exact as stored.
  EXPECT_NEAR(judge_16bit(ones(0x1p-9), bf16_ones()).allowed, 1e-5, 1e-12);
}

TEST(Accuracy16Bit, NanFails) {
  auto out = bf16_ones();
  out[3] = 0x7fff;
  EXPECT_THAT(judge_16bit(ones(0.25), out).message(), HasSubstr("token 0, head 0, column 3: got nan"));
  Expected expected = ones();
  expected.out[3] = std::nan("");
  EXPECT_FALSE(judge_16bit(expected, out).ok());
}

TEST(Accuracy16Bit, ARowWithoutKeysIsExactlyZero) {
  Expected expected = ones(0.25);
  for (int i = 0; i < 10; ++i) expected.out[i] = expected.yardstick[i] = 0;
  expected.yardstick[17] = 1.25f;
  expected.lse[0] = -kInfinity;
  auto out = bf16_ones();
  for (int i = 0; i < 10; ++i) out[i] = 0;
  EXPECT_TRUE(judge_16bit(expected, out).ok());
  out[4] = bf16_from_float(1e-6f);
  EXPECT_THAT(judge_16bit(expected, out).message(), HasSubstr("a row without keys"));
}

TEST(Accuracy16Bit, OnlyJudgedTokensCount) {
  Expected expected = ones();
  auto out = bf16_ones();
  out[45] = 0x7fff;  // token 2
  expected.judged_tokens.assign(10, 1);
  EXPECT_FALSE(judge_16bit(expected, out).ok());
  expected.judged_tokens[2] = 0;
  const Verdict verdict = judge_16bit(expected, out);
  EXPECT_TRUE(verdict.ok());
  EXPECT_EQ(verdict.elements, 180);
}

TEST(Accuracy16Bit, AWrongSizeIsAFaultOfTheTest) {
  EXPECT_THROW(judge_16bit(ones(), std::vector<std::uint16_t>(199)), std::logic_error);
}

TEST(AccuracyE4M3, OnePercentMayBeOneStepOff) {
  auto out = e4m3_ones();
  out[0] = 0x39;
  out[1] = 0x37;
  const Verdict verdict = judge_e4m3(ones(), out, 1);
  EXPECT_TRUE(verdict.ok()) << verdict.message();
  EXPECT_DOUBLE_EQ(verdict.error, 0.01);
  out[2] = 0x39;
  EXPECT_THAT(judge_e4m3(ones(), out, 1).message(), HasSubstr("1.5 %, allowed 1 %"));
}

TEST(AccuracyE4M3, TwoStepsFail) {
  auto out = e4m3_ones();
  out[199] = 0x3a;
  EXPECT_THAT(judge_e4m3(ones(), out, 1).message(), HasSubstr("token 9, head 1, column 9: got 1.25"));
}

TEST(AccuracyE4M3, NanFails) {
  auto out = e4m3_ones();
  out[0] = 0x7f;
  EXPECT_FALSE(judge_e4m3(ones(), out, 1).ok());
}

TEST(AccuracyE4M3, TheScaleDividesAndLargeValuesClamp) {
  std::vector<std::uint8_t> out(200, 0x40);  // 2
  EXPECT_TRUE(judge_e4m3(ones(), out, 0.5f).ok());
  out.assign(200, 0x7e);  // 448
  EXPECT_TRUE(judge_e4m3(ones(), out, 1e-3f).ok());
  EXPECT_FALSE(judge_e4m3(ones(), out, 1).ok());
}

TEST(AccuracyE4M3, NearZeroTheErrorOfTheYardstickIsAllowed) {
  // Where a step is 2^-9, an accumulator that is off by 2^-7 is off by four steps.
  Expected expected = ones();
  expected.out[0] = expected.yardstick[0] = 0;
  auto out = e4m3_ones();
  out[0] = 0x04;
  EXPECT_FALSE(judge_e4m3(expected, out, 1).ok());
  expected.yardstick[9] = 1 + 0x1p-8f;  // allows 2^-7
  EXPECT_TRUE(judge_e4m3(expected, out, 1).ok());
  out[0] = 0x06;
  EXPECT_FALSE(judge_e4m3(expected, out, 1).ok());
}

TEST(AccuracyE4M3, AsManyAsOneAndAHalfTimesTheYardsticksMayDiffer) {
  Expected expected = ones();
  for (int i = 0; i < 10; ++i) expected.yardstick[i] = 1.07f;  // rounds to 1.125
  auto out = e4m3_ones();
  for (int i = 100; i < 115; ++i) out[i] = 0x37;
  EXPECT_TRUE(judge_e4m3(expected, out, 1).ok());
  out[115] = 0x37;
  EXPECT_FALSE(judge_e4m3(expected, out, 1).ok());
}

TEST(AccuracyLse, TheAllowedErrorGrowsWithTheScores) {
  std::vector<float> lse(20, 3.f);
  lse[5] = 3.f + 2.9e-4f;  // 1e-4 + 2e-6 * 100 = 3e-4
  EXPECT_TRUE(judge_lse(ones(), lse).ok());
  lse[5] = 3.f + 3.2e-4f;
  EXPECT_THAT(judge_lse(ones(), lse).message(), HasSubstr("token 2, head 1"));
}

TEST(AccuracyLse, MinusInfinityMustBeExact) {
  Expected expected = ones();
  std::vector<float> lse(20, 3.f);
  expected.lse[0] = -kInfinity;
  EXPECT_FALSE(judge_lse(expected, lse).ok());
  lse[0] = -std::numeric_limits<float>::infinity();
  EXPECT_TRUE(judge_lse(expected, lse).ok());
  lse[1] = lse[0];
  EXPECT_FALSE(judge_lse(expected, lse).ok());
  lse[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(judge_lse(expected, lse).ok());
}

}  // namespace
}  // namespace attnjit::reference
