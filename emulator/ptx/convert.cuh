// Conversions and bit casts on the emulator.
#pragma once

#include "ptx/builtins.cuh"
#include "ptx/numbers.h"

namespace attnjit::kernel {

ATTNJIT_DEVICE u32 bits_of(float value) { return __builtin_bit_cast(u32, value); }
ATTNJIT_DEVICE float float_of(u32 bits) { return __builtin_bit_cast(float, bits); }

template <Element kElement>
ATTNJIT_DEVICE u32 pack_16bit(float low, float high) {
  if constexpr (kElement == Element::kBFloat16) {
    return emulated::bf16_from_float(high) << 16 | emulated::bf16_from_float(low);
  } else {
    static_assert(kElement == Element::kFloat16);
    return emulated::f16_from_float(high) << 16 | emulated::f16_from_float(low);
  }
}

ATTNJIT_DEVICE u16 pack_e4m3_cvt(float low, float high) {
  return static_cast<u16>(emulated::e4m3_from_float(high) << 8 | emulated::e4m3_from_float(low));
}

ATTNJIT_DEVICE u32 unpack_e4m3_cvt(u16 codes) {
  const auto f16 = [](u32 code) { return emulated::f16_from_float(emulated::float_of_e4m3(code)); };
  return f16(codes >> 8) << 16 | f16(codes & 0xffu);
}
ATTNJIT_DEVICE float low_f16_to_float(u32 pair) { return emulated::float_of_16bit<Element::kFloat16>(pair); }
ATTNJIT_DEVICE float high_f16_to_float(u32 pair) { return emulated::float_of_16bit<Element::kFloat16>(pair >> 16); }
ATTNJIT_DEVICE u32 mul_f16x2(u32 a, u32 b) {
  // The product of two fp16 is exact in float32.
  return emulated::f16_from_float(high_f16_to_float(a) * high_f16_to_float(b)) << 16 |
         emulated::f16_from_float(low_f16_to_float(a) * low_f16_to_float(b));
}

}  // namespace attnjit::kernel
