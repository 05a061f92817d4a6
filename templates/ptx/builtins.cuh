// Thread coordinates, barriers, shuffles, address spaces: everything that is a builtin variable or an
// intrinsic.
#pragma once

#include "shared/types.h"

#define ATTNJIT_DEVICE __device__ __forceinline__

namespace attnjit::kernel {

ATTNJIT_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
/// Read anew at each call (volatile): what is derived from it twice is computed twice, and not carried in registers
/// between the two places.
ATTNJIT_DEVICE u32 block_index() {
  u32 index;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(index));
  return index;
}

/// PTX ISA 9.7.13.1, bar.sync over the whole CTA.
ATTNJIT_DEVICE void sync_block() { __syncthreads(); }
/// PTX ISA 9.7.13.2, bar.warp.sync over all 32 lanes.
ATTNJIT_DEVICE void sync_warp() { __syncwarp(); }

/// PTX ISA 9.7.9.6, shfl.sync.bfly over all 32 lanes.
ATTNJIT_DEVICE float shuffle_xor(float value, int lane_mask) { return __shfl_xor_sync(0xffffffffu, value, lane_mask); }

/// The CTA's dynamic shared memory as the one struct that lays it out.
template <class Layout>
ATTNJIT_DEVICE Layout& dynamic_shared() {
  extern __shared__ __align__(1024) u8 shared_bytes[];
  return *reinterpret_cast<Layout*>(shared_bytes);
}

/// Address within the shared state space, as ldmatrix, cp.async and their kin want it.
ATTNJIT_DEVICE u32 shared_address(const void* pointer) { return static_cast<u32>(__cvta_generic_to_shared(pointer)); }

}  // namespace attnjit::kernel
