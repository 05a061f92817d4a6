// The integer conversion to e4m3 against the format's definition: the nearest of all 256 values, ties to even.
#include "templates/shared/e4m3.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace {

using attnjit::kernel::e4m3_from_float_bits;

/// Value of a code by the definition; NaN for 0x7f and 0xff.
double value_of(unsigned code) {
  const int exponent = code >> 3 & 0xf;
  const int mantissa = code & 7;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<double>::quiet_NaN();
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return code & 0x80 ? -magnitude : magnitude;
}

unsigned convert(float value) { return e4m3_from_float_bits(std::bit_cast<std::uint32_t>(value)); }

TEST(E4M3, EveryCodeIsItsOwnConversion) {
  for (unsigned code = 0; code < 256; ++code) {
    const double value = value_of(code);
    if (std::isnan(value)) continue;
    EXPECT_EQ(convert(static_cast<float>(value)), code) << value;
  }
}

TEST(E4M3, TiesGoToEvenAndTheirNeighboursToTheNearest) {
  for (unsigned code = 0; code < 0x7e; ++code) {
    const float tie = static_cast<float>((value_of(code) + value_of(code + 1)) / 2);  // exact in float32
    const unsigned even = code % 2 == 0 ? code : code + 1;
    for (const unsigned sign : {0u, 0x80u}) {
      const float s = sign ? -1.f : 1.f;
      EXPECT_EQ(convert(s * tie), sign | even) << tie;
      EXPECT_EQ(convert(s * std::nextafter(tie, 0.f)), sign | code) << tie;
      EXPECT_EQ(convert(s * std::nextafter(tie, 1e9f)), sign | (code + 1)) << tie;
    }
  }
}

TEST(E4M3, ClampsAndKeepsNaN) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float large : {448.f, 449.f, 464.f, 480.f, 1e10f, std::numeric_limits<float>::max(), infinity}) {
    EXPECT_EQ(convert(large), 0x7eu) << large;
    EXPECT_EQ(convert(-large), 0xfeu) << large;
  }
  EXPECT_EQ(convert(std::numeric_limits<float>::quiet_NaN()), 0x7fu);
  EXPECT_EQ(convert(-std::numeric_limits<float>::quiet_NaN()), 0x7fu);
  EXPECT_EQ(e4m3_from_float_bits(0x7f800001u), 0x7fu);
  EXPECT_EQ(convert(0.f), 0u);
  EXPECT_EQ(convert(-0.f), 0x80u);
  EXPECT_EQ(convert(std::numeric_limits<float>::denorm_min()), 0u);
}

TEST(E4M3, RandomBitsGoToTheNearestValue) {
  std::uint32_t bits = 1;
  for (int i = 0; i < 200'000; ++i) {
    bits = bits * 1664525u + 1013904223u;
    const float value = std::bit_cast<float>(bits);
    if (!(std::fabs(value) < 448)) continue;
    const double error = std::fabs(value_of(e4m3_from_float_bits(bits)) - value);
    const unsigned code = e4m3_from_float_bits(bits) & 0x7f;
    const double up = code < 0x7e ? std::fabs(value_of(code + 1) - std::fabs(value)) : 1e9;
    const double down = code > 0 ? std::fabs(value_of(code - 1) - std::fabs(value)) : 1e9;
    ASSERT_LE(error, up) << value;
    ASSERT_LE(error, down) << value;
  }
}

}  // namespace
