// A tensor map of the copy engine, as the driver encodes it.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

/// Columns of a slab: rows of 128 bytes, which the copy engine swizzles.
inline constexpr int kSlabColumns = 64;

/// Words of a row of a mask that a box of it has: no fewer than 16 bytes may be copied.
inline constexpr int kMaskBoxWords = 4;

struct alignas(64) TensorMap {
  u64 opaque[16];
};

}  // namespace attnjit::kernel
