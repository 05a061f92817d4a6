// float32 <-> e4m3 in integer code (OCP 8-bit floating point: 4 exponent bits with bias 7, 3 mantissa bits, no
// infinity, NaN 0x7f). For SMs without the cvt instruction, and for the host.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

/// Rounds to nearest even and clamps to +-448; bit-identical to cvt.rn.satfinite.e4m3x2. Every NaN becomes 0x7f, as
/// with the instruction. Few operations and no branch, because epilogues inline it for every element.
ATTNJIT_HOST_DEVICE constexpr u32 e4m3_from_float_bits(u32 bits) {
  const u32 magnitude = bits & 0x7fffffffu;
  // Normal numbers, from 2^-6 on: round at bit 20, which keeps three mantissa bits and lets a carry increment the
  // exponent; then change the exponent bias from 127 to 7.
  const u32 normal = ((magnitude + 0x7ffffu + (magnitude >> 20 & 1u)) >> 20) - (127u - 7u) * 8u;
  // Subnormals are multiples of 2^-9, the ulp of a float32 near 2^14: adding 2^14 rounds them to that step.
  constexpr float kShift = 16384.f;
  const u32 denormal =
      __builtin_bit_cast(u32, __builtin_bit_cast(float, magnitude) + kShift) - __builtin_bit_cast(u32, kShift);
  u32 code = magnitude < 0x3c800000u ? denormal : normal;
  code = code > 0x7eu ? 0x7eu : code;
  return magnitude > 0x7f800000u ? 0x7fu : (bits >> 24 & 0x80u) | code;
}

}  // namespace attnjit::kernel
