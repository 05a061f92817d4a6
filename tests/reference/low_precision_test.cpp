#include "verify/reference/low_precision.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attnjit::reference {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(LowPrecision, EveryBf16SurvivesTheRoundTrip) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float value = float_from_bf16(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) continue;
    ASSERT_EQ(bf16_from_float(value), bits);
  }
}

TEST(LowPrecision, EveryF16SurvivesTheRoundTrip) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float value = float_from_f16(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) continue;
    ASSERT_EQ(f16_from_float(value), bits) << value;
  }
}

TEST(LowPrecision, EveryE4m3SurvivesTheRoundTrip) {
  for (int code = 0; code < 0x100; ++code) {
    const auto byte = static_cast<std::uint8_t>(code);
    if (is_e4m3_nan(byte)) continue;
    ASSERT_EQ(e4m3_from_double(float_from_e4m3(byte)), byte) << float_from_e4m3(byte);
  }
}

TEST(LowPrecision, KnownValues) {
  EXPECT_EQ(float_from_bf16(0x3f80), 1.f);
  EXPECT_EQ(float_from_bf16(0xc040), -3.f);
  EXPECT_EQ(float_from_f16(0x3c00), 1.f);
  EXPECT_EQ(float_from_f16(0x7bff), 65504.f);
  EXPECT_EQ(float_from_f16(0x0001), 0x1p-24f);
  EXPECT_EQ(float_from_e4m3(0x38), 1.f);
  EXPECT_EQ(float_from_e4m3(0x7e), 448.f);
  EXPECT_EQ(float_from_e4m3(0x01), 0x1p-9f);
  EXPECT_EQ(float_from_e4m3(0x08), 0x1p-6f);
  EXPECT_EQ(float_from_e4m3(0xb8), -1.f);
  EXPECT_TRUE(std::isnan(float_from_e4m3(0x7f)));
  EXPECT_TRUE(std::isnan(float_from_e4m3(0xff)));
}

TEST(LowPrecision, TiesGoToEven) {
  EXPECT_EQ(bf16_from_float(1.f + 0x1p-8f), 0x3f80);             // between 1 and its successor
  EXPECT_EQ(bf16_from_float(1.f + 0x3p-8f), 0x3f82);             // between an odd code and the next even one
  EXPECT_EQ(bf16_from_float(1.f + 0x1p-8f + 0x1p-20f), 0x3f81);  // just above the tie
  EXPECT_EQ(f16_from_float(1.f + 0x1p-11f), 0x3c00);
  EXPECT_EQ(f16_from_float(1.f + 0x3p-11f), 0x3c02);
  EXPECT_EQ(f16_from_float(0x1p-25f), 0x0000);  // half the smallest denormal
  EXPECT_EQ(f16_from_float(0x3p-25f), 0x0002);
  EXPECT_EQ(e4m3_from_double(1.0625), 0x38);              // between 1 and 1.125
  EXPECT_EQ(e4m3_from_double(1.1875), 0x3a);              // between 1.125 and 1.25
  EXPECT_EQ(e4m3_from_double(std::ldexp(1, -10)), 0x00);  // half the smallest denormal
  EXPECT_EQ(e4m3_from_double(std::ldexp(3, -10)), 0x02);
}

TEST(LowPrecision, TheLargestAndBeyond) {
  EXPECT_EQ(bf16_from_float(kInfinity), 0x7f80);
  EXPECT_EQ(bf16_from_float(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(f16_from_float(65519.f), 0x7bff);
  EXPECT_EQ(f16_from_float(65520.f), 0x7c00);
  EXPECT_EQ(f16_from_float(-kInfinity), 0xfc00);
  EXPECT_EQ(e4m3_from_double(1e30), 0x7e);
  EXPECT_EQ(e4m3_from_double(-448), 0xfe);
  EXPECT_EQ(e4m3_from_double(std::nan("")), 0x7f);
}

TEST(LowPrecision, StepsBetweenE4m3Codes) {
  EXPECT_EQ(e4m3_steps(0x38, 0x38), 0);
  EXPECT_EQ(e4m3_steps(0x38, 0x39), 1);
  EXPECT_EQ(e4m3_steps(0x00, 0x80), 0);
  EXPECT_EQ(e4m3_steps(0x01, 0x81), 2);
  EXPECT_EQ(e4m3_steps(0x7e, 0xfe), 252);
}

}  // namespace
}  // namespace attnjit::reference
