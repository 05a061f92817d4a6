// Converts pairs of float32 to e4m3 and e4m3 to 16-bit floats, by cvt instructions or in integer code.
#pragma once

#include "ptx/convert.cuh"
#include "shared/e4m3.h"

namespace attnjit::kernel {

/// `low` goes to the lower byte.
template <bool kHasCvt>
ATTNJIT_DEVICE u16 pack_e4m3(float low, float high) {
  if constexpr (kHasCvt) {
    return pack_e4m3_cvt(low, high);
  } else {
    return static_cast<u16>(e4m3_from_float_bits(bits_of(low)) | e4m3_from_float_bits(bits_of(high)) << 8);
  }
}

/// Two codes to two fp16, which represent every e4m3 value exactly.
template <bool kHasCvt>
ATTNJIT_DEVICE u32 unpack_e4m3(u16 codes) {
  if constexpr (kHasCvt) {
    return unpack_e4m3_cvt(codes);
  } else {
    // Moves exponent and mantissa to where fp16 has them. fp16's bias is 8 larger; multiplying by 2^8 corrects that,
    // also for subnormals. Magnitude 0x7f is NaN: setting all bits above the 3-bit mantissa makes the result one.
    const u32 spread = codes & 0xffu | (codes & 0xff00u) << 8;
    const u32 magnitude = spread & 0x007f007fu;
    const u32 value = mul_f16x2(magnitude << 7, 0x5c005c00u);
    const u32 nan = (magnitude + 0x00010001u & 0x00800080u) >> 7;  // 1 in each half that holds 0x7f
    return value | (spread & 0x00800080u) << 8 | nan * 0x7fffu;
  }
}

/// Converts two fp16 to two elements of the GEMM operands' type, each multiplied by `scale` in float32.
template <Element kElement, bool kScaled>
ATTNJIT_DEVICE u32 convert_pair(u32 f16_pair, float scale) {
  if constexpr (kElement == Element::kFloat16 && !kScaled) {
    return f16_pair;
  } else {
    float low = low_f16_to_float(f16_pair);
    float high = high_f16_to_float(f16_pair);
    if constexpr (kScaled) {
      low *= scale;
      high *= scale;
    }
    return pack_16bit<kElement>(low, high);
  }
}

}  // namespace attnjit::kernel
