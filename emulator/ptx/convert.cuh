// Conversions and reinterpretation of bits, on the emulator.
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

}  // namespace attnjit::kernel
