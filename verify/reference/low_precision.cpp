#include "verify/reference/low_precision.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace attnjit::reference {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Magnitudes of the codes 0x00 to 0x7e, ascending.
const std::array<double, 127>& e4m3_magnitudes() {
  static const std::array<double, 127> table = [] {
    std::array<double, 127> values{};
    for (int code = 0; code < 127; ++code) {
      const int exponent = code / 8;
      const int mantissa = code % 8;
      values[code] = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
    }
    return values;
  }();
  return table;
}

/// Rounds the magnitude of a finite float to at most `kept_bits` bits of significand and to multiples of
/// 2^smallest_exponent. std::nearbyint rounds to nearest even in the default mode; scaling by powers of two is exact.
double round_magnitude(double magnitude, int kept_bits, int smallest_exponent) {
  if (magnitude == 0) return 0;
  const int exponent = std::ilogb(magnitude) - (kept_bits - 1);
  const int unit = exponent < smallest_exponent ? smallest_exponent : exponent;
  return std::ldexp(std::nearbyint(std::ldexp(magnitude, -unit)), unit);
}

}  // namespace

float float_from_bf16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

float float_from_f16(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f;
  const int mantissa = bits & 0x3ff;
  const float sign = bits >> 15 != 0 ? -1.f : 1.f;
  if (exponent == 0x1f) return mantissa != 0 ? kNan : sign * std::numeric_limits<float>::infinity();
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(0x400 + mantissa), exponent - 25);
}

float float_from_e4m3(std::uint8_t code) {
  if (is_e4m3_nan(code)) return kNan;
  const auto magnitude = static_cast<float>(e4m3_magnitudes()[code & 0x7f]);
  return code >= 0x80 ? -magnitude : magnitude;
}

float float_from_16bit(Element element, std::uint16_t bits) {
  return element == Element::kBFloat16 ? float_from_bf16(bits) : float_from_f16(bits);
}

std::uint16_t bf16_from_float(float value) {
  if (std::isnan(value)) return 0x7fff;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // Adds just under half a unit, or half a unit if the kept part is odd. A carry out of the significand correctly
  // becomes the next exponent, and out of the largest finite value infinity.
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

std::uint16_t f16_from_float(float value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return 0x7fff;
  const double magnitude = std::isinf(value) ? 65536.0 : round_magnitude(std::fabs(value), 11, -24);
  if (magnitude >= 65536.0) return sign | 0x7c00;
  if (magnitude < std::ldexp(1, -14)) return sign | static_cast<std::uint16_t>(std::ldexp(magnitude, 24));
  const int exponent = std::ilogb(magnitude);
  const int mantissa = static_cast<int>(std::ldexp(magnitude, 10 - exponent)) - 0x400;
  return sign | static_cast<std::uint16_t>((exponent + 15) << 10 | mantissa);
}

std::uint16_t round_to_16bit(Element element, float value) {
  return element == Element::kBFloat16 ? bf16_from_float(value) : f16_from_float(value);
}

std::uint8_t e4m3_from_double(double value) {
  if (std::isnan(value)) return 0x7f;
  const auto& table = e4m3_magnitudes();
  const double magnitude = std::fabs(value);
  int code = 126;  // 448, the largest
  if (magnitude < table[126]) {
    int below = 0;
    while (table[below + 1] <= magnitude) ++below;
    const double to_lower = magnitude - table[below];
    const double to_upper = table[below + 1] - magnitude;
    const bool up = to_upper < to_lower || (to_upper == to_lower && below % 2 != 0);
    code = below + (up ? 1 : 0);
  }
  return static_cast<std::uint8_t>(code | (std::signbit(value) ? 0x80 : 0));
}

bool is_e4m3_nan(std::uint8_t code) { return (code & 0x7f) == 0x7f; }

int e4m3_steps(std::uint8_t a, std::uint8_t b) {
  const auto ordinal = [](std::uint8_t code) { return code >= 0x80 ? -(code & 0x7f) : code & 0x7f; };
  return std::abs(ordinal(a) - ordinal(b));
}

}  // namespace attnjit::reference
