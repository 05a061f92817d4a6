// A TMA tensor map, as the driver encodes it.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

/// Columns of a slab: rows of 128 bytes, swizzled by TMA.
inline constexpr int kSlabColumns = 64;

/// Words per row of a TMA box of the mask. A block of 128 keys touches up to 5 words, and TMA requires boxes to begin
/// at multiples of 16 bytes (kMaskBoxStep words; otherwise the H200 reports an illegal instruction).
inline constexpr int kMaskBoxWords = 8;
inline constexpr int kMaskBoxStep = 4;

struct alignas(64) TensorMap {
  u64 opaque[16];
};

}  // namespace attnjit::kernel
