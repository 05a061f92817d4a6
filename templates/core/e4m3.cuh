// float32 -> e4m3 (OCP 8-bit floating point: 4 exponent bits with bias 7, 3 mantissa bits, no infinity, NaN
// 0x7f).
#pragma once

#include "ptx/convert.cuh"

namespace attnjit::kernel {

/// Round to nearest even, clamp to +-448, in integer code for SMs before 8.9; bit-equal to
/// cvt.rn.satfinite.e4m3x2. Every NaN becomes 0x7f, as the instruction has it.
ATTNJIT_HOST_DEVICE constexpr u32 e4m3_from_float_bits(u32 bits) {
  const u32 sign = bits >> 24 & 0x80u;
  const u32 magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fu;
  if (magnitude >= 0x43e00000u) return sign | 0x7eu;  // 448 and above, infinity too
  if (magnitude < 0x3a800000u) return sign;           // below half of the smallest denormal, 2^-10
  const u32 exponent = magnitude >> 23;               // biased by 127
  const u32 mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  // Bits to drop: 20 of a normal number; one more for each step below the smallest normal exponent, 2^-6.
  const u32 drop = exponent >= 121u ? 20u : 20u + (121u - exponent);
  const u32 kept = mantissa >> drop;
  const u32 rest = mantissa & ((1u << drop) - 1u);
  const u32 half = 1u << (drop - 1u);
  const u32 rounded = kept + (rest > half || (rest == half && (kept & 1u)) ? 1u : 0u);
  // A normal number's hidden bit (8) is carried by the exponent field; a carry out of the mantissa moves it
  // on.
  const u32 code = exponent >= 121u ? (exponent - 121u) * 8u + rounded : rounded;
  return sign | (code > 0x7eu ? 0x7eu : code);
}

/// Two values into two codes, `low` in the lower byte.
template <bool kHasCvt>
ATTNJIT_DEVICE u16 pack_e4m3(float low, float high) {
  if constexpr (kHasCvt) {
    return pack_e4m3_cvt(low, high);
  } else {
    return static_cast<u16>(e4m3_from_float_bits(bits_of(low)) | e4m3_from_float_bits(bits_of(high)) << 8);
  }
}

}  // namespace attnjit::kernel
