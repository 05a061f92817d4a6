// Two float32 into two e4m3 codes, by the instruction or in integer code.
#pragma once

#include "ptx/convert.cuh"
#include "shared/e4m3.h"

namespace attnjit::kernel {

/// `low` in the lower byte.
template <bool kHasCvt>
ATTNJIT_DEVICE u16 pack_e4m3(float low, float high) {
  if constexpr (kHasCvt) {
    return pack_e4m3_cvt(low, high);
  } else {
    return static_cast<u16>(e4m3_from_float_bits(bits_of(low)) | e4m3_from_float_bits(bits_of(high)) << 8);
  }
}

}  // namespace attnjit::kernel
