// bf16, fp16 and e4m3 in plain C++, for the emulated instructions. Independent of shared/e4m3.h, the integer code that
// kernels use in place of the instruction: the two are tested against each other.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel::emulated {

template <Element kElement>
inline float float_of_16bit(u32 word) {
  const u32 bits = word & 0xffffu;
  if constexpr (kElement == Element::kBFloat16) {
    return __builtin_bit_cast(float, bits << 16);
  } else {
    // Moves exponent and mantissa to their places in a float32; the multiplication corrects the bias, also of
    // subnormals.
    const u32 magnitude = (bits & 0x7fffu) << 13;
    const float scaled = __builtin_bit_cast(float, magnitude) * 0x1p112f;
    const u32 finite = __builtin_bit_cast(u32, scaled);
    const u32 value = (bits & 0x7c00u) == 0x7c00u ? (magnitude | 0x7f800000u) : finite;
    return __builtin_bit_cast(float, value | (bits & 0x8000u) << 16);
  }
}

/// Rounds to nearest even; any NaN becomes 0x7fff, as with cvt.
inline u32 bf16_from_float(float value) {
  const u32 bits = __builtin_bit_cast(u32, value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
inline u32 f16_from_float(float value) {
  const u32 bits = __builtin_bit_cast(u32, value);
  const u32 sign = bits >> 16 & 0x8000u;
  const u32 magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fffu;
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and more round to infinity
  if (magnitude < 0x38800000u) {
    // Subnormal: adding 2^-1 puts the ulp of the float32 at 2^-24, the step of fp16's subnormals.
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5f;
    return sign | (__builtin_bit_cast(u32, shifted) - 0x3f000000u);
  }
  return sign | ((magnitude + 0xfffu + (magnitude >> 13 & 1u) - (112u << 23)) >> 13);
}

/// Rounds to nearest even and clamps to +-448; any NaN becomes 0x7f.
inline u32 e4m3_from_float(float value) {
  if (value != value) return 0x7fu;
  const u32 sign = __builtin_signbit(value) ? 0x80u : 0u;
  const float magnitude = __builtin_fabsf(value);
  if (magnitude >= 448.f) return sign | 0x7eu;
  int exponent = 0;
  (void)__builtin_frexpf(magnitude, &exponent);  // magnitude in [0.5, 1) 2^exponent
  exponent = magnitude < 0x1p-6f ? -6 : exponent - 1;
  const float steps = __builtin_nearbyintf(__builtin_ldexpf(magnitude, 3 - exponent));  // 0 to 16, in units of 2^(e-3)
  // 16 steps carry to 8 steps of the next exponent: the same sum. Beyond 448 there is nothing to carry into.
  const u32 code = static_cast<u32>(exponent + 6) * 8u + static_cast<u32>(steps);
  return sign | (code > 0x7eu ? 0x7eu : code);
}

inline float float_of_e4m3(u32 code) {
  const u32 exponent = code >> 3 & 15u;
  const float mantissa = static_cast<float>(code & 7u);
  float magnitude =
      exponent == 0 ? mantissa * 0x1p-9f : __builtin_ldexpf(8.f + mantissa, static_cast<int>(exponent) - 10);
  if ((code & 0x7fu) == 0x7fu) magnitude = __builtin_nanf("");
  return code & 0x80u ? -magnitude : magnitude;
}

}  // namespace attnjit::kernel::emulated
