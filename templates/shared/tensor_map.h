// A tensor map of the copy engine, as the driver encodes it.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

/// Columns of a slab: rows of 128 bytes, which the copy engine swizzles.
inline constexpr int kSlabColumns = 64;

/// Words of a row of a mask that a box of it has: a block of 128 keys touches up to 5 of them, and the copy engine wants
/// boxes to begin at multiples of 16 bytes (else the H200 reports an illegal instruction).
inline constexpr int kMaskBoxWords = 8;
inline constexpr int kMaskBoxStep = 4;

struct alignas(64) TensorMap {
  u64 opaque[16];
};

}  // namespace attnjit::kernel
