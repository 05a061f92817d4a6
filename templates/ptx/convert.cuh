// Conversions between float32 and the storage types, and reinterpretation of bits.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

ATTNJIT_DEVICE u32 bits_of(float value) { return __float_as_uint(value); }
ATTNJIT_DEVICE float float_of(u32 bits) { return __uint_as_float(bits); }

/// PTX ISA 9.7.9.22, cvt.rn: two float32 into two 16-bit elements, `low` in the lower half.
template <Element kElement>
ATTNJIT_DEVICE u32 pack_16bit(float low, float high) {
  u32 packed;
  if constexpr (kElement == Element::kBFloat16) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  } else {
    static_assert(kElement == Element::kFloat16);
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  }
  return packed;
}

/// PTX ISA 9.7.9.22, cvt.rn.satfinite.e4m3x2.f32 (SM 8.9 on): clamps to +-448, NaN becomes 0x7f.
ATTNJIT_DEVICE u16 pack_e4m3_cvt(float low, float high) {
  u16 packed;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(packed) : "f"(high), "f"(low));
  return packed;
}

}  // namespace attnjit::kernel
