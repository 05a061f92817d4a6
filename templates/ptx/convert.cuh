// Conversions between float32 and the storage types, and bit casts.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

ATTNJIT_DEVICE u32 bits_of(float value) { return __float_as_uint(value); }
ATTNJIT_DEVICE float float_of(u32 bits) { return __uint_as_float(bits); }

/// PTX ISA 9.7.9.22, cvt.rn: two float32 to two 16-bit elements, `low` in the lower half.
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

/// PTX ISA 9.7.9.22, cvt.rn.f16x2.e4m3x2 (SM 8.9 on): exact; NaN becomes NaN.
ATTNJIT_DEVICE u32 unpack_e4m3_cvt(u16 codes) {
  u32 packed;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(packed) : "h"(codes));
  return packed;
}
/// PTX ISA 9.7.4.3, mul.f16x2: keeps subnormals.
ATTNJIT_DEVICE u32 mul_f16x2(u32 a, u32 b) {
  u32 product;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(product) : "r"(a), "r"(b));
  return product;
}
/// PTX ISA 9.7.9.22, cvt.f32.f16 of the lower half, and of the upper half: exact.
ATTNJIT_DEVICE float low_f16_to_float(u32 pair) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<u16>(pair)));
  return value;
}
ATTNJIT_DEVICE float high_f16_to_float(u32 pair) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<u16>(pair >> 16)));
  return value;
}

}  // namespace attnjit::kernel
