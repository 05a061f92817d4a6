// Matrix descriptors of wgmma: operands in shared memory.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

/// Matrix descriptor of an operand in shared memory with 128-byte rows, swizzled by TMA (PTX ISA 9.7.15.5.1, 128-byte
/// swizzle). `stride` is the distance between groups of 8 rows; `leading` the distance between blocks of 64 columns
/// where the 64 columns run along the operand's other dimension (transposed b), else unused.
ATTNJIT_DEVICE u64 wgmma_descriptor(u32 address, u32 leading_bytes, u32 stride_bytes) {
  return static_cast<u64>((address & 0x3ffffu) >> 4) | static_cast<u64>(leading_bytes >> 4) << 16 |
         static_cast<u64>(stride_bytes >> 4) << 32 | 1ull << 62;
}

/// Descriptor of the operand `bytes` further on.
ATTNJIT_DEVICE u64 wgmma_advance(u64 descriptor, u32 bytes) { return descriptor + (bytes >> 4); }

}  // namespace attnjit::kernel
