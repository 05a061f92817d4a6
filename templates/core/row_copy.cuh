// How the threads of a CTA divide the 16-byte chunks of rows copied from global to shared memory.
#pragma once

#include "ptx/memory.cuh"

namespace attnjit::kernel {

/// Adjacent lanes that read one row: the number of its 16-byte chunks, rounded down to a power of two, at most 8 (128
/// contiguous bytes).
ATTNJIT_HOST_DEVICE constexpr int lanes_per_row(int chunks) {
  return chunks >= 8 ? 8 : chunks >= 4 ? 4 : chunks >= 2 ? 2 : 1;
}

/// Issues one lane's share of a row of 16-byte chunks: every kLanes-th chunk from `lane` on. `from` and `to` already
/// point to the lane's first chunk. Writes zeros if `valid` is false, without reading `from`.
template <int kChunks, int kLanes>
ATTNJIT_DEVICE void copy_row(u32 to, const void* from, int lane, bool valid) {
#pragma unroll
  for (int chunk = 0; chunk < kChunks; chunk += kLanes) {
    if (chunk + kLanes <= kChunks || lane < kChunks - chunk) {
      cp_async_16(to + chunk * 16, static_cast<const u8*>(from) + chunk * 16, valid);
    }
  }
}

}  // namespace attnjit::kernel
