// Thread coordinates, barriers, shuffles, address spaces: everything that is a builtin variable or an intrinsic.
#pragma once

#include "shared/types.h"

#define ATTNJIT_DEVICE __device__ __forceinline__

namespace attnjit::kernel {

ATTNJIT_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
/// thread_index(), reloaded at each call (volatile). For epilogues: the compiler cannot compute the derived addresses
/// before the main loop and carry them through it.
ATTNJIT_DEVICE int reread_thread_index() {
  u32 index;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(index));
  return static_cast<int>(index);
}
/// Lane index from reread_thread_index(). The compiler knows it to be within 0 to 31.
ATTNJIT_DEVICE int reread_lane_index() { return static_cast<int>(static_cast<u32>(reread_thread_index()) % 32); }
/// Reloaded at each call (volatile): values derived from it are recomputed at each use instead of being carried in
/// registers from one to the next.
ATTNJIT_DEVICE u32 block_index() {
  u32 index;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(index));
  return index;
}

ATTNJIT_DEVICE u32 grid_size() { return gridDim.x; }

/// PTX ISA 9.7.13.1, bar.sync over the whole CTA.
ATTNJIT_DEVICE void sync_block() { __syncthreads(); }
/// PTX ISA 9.7.13.2, bar.warp.sync over all 32 lanes.
ATTNJIT_DEVICE void sync_warp() { __syncwarp(); }

/// PTX ISA 9.7.9.6, shfl.sync.bfly over all 32 lanes.
ATTNJIT_DEVICE float shuffle_xor(float value, int lane_mask) { return __shfl_xor_sync(0xffffffffu, value, lane_mask); }
ATTNJIT_DEVICE int shuffle_xor(int value, int lane_mask) { return __shfl_xor_sync(0xffffffffu, value, lane_mask); }

/// PTX ISA 9.7.9.6, shfl.sync.up over all 32 lanes: the value of the lane `distance` below; lanes without one keep
/// their own.
ATTNJIT_DEVICE int shuffle_up(int value, int distance) { return __shfl_up_sync(0xffffffffu, value, distance); }
/// PTX ISA 9.7.9.6, shfl.sync.idx over all 32 lanes: the value of `lane`.
ATTNJIT_DEVICE int shuffle_from(int value, int lane) { return __shfl_sync(0xffffffffu, value, lane); }
ATTNJIT_DEVICE float shuffle_from(float value, int lane) { return __shfl_sync(0xffffffffu, value, lane); }
/// PTX ISA 9.7.13.10, vote.sync.ballot over all 32 lanes: bit l is lane l's predicate.
ATTNJIT_DEVICE u32 ballot(bool predicate) { return __ballot_sync(0xffffffffu, predicate); }

/// PTX ISA 9.7.1.16, bfind: index of the highest set bit; -1 if there is none. lowest_bit() likewise, with 9.7.1.18,
/// brev.
ATTNJIT_DEVICE int highest_bit(u32 bits) { return 31 - __clz(static_cast<int>(bits)); }
ATTNJIT_DEVICE int lowest_bit(u32 bits) { return __ffs(static_cast<int>(bits)) - 1; }
/// PTX ISA 9.7.8.7, shf.r.wrap.b32: the lower word of (high, low) >> amount, for amounts below 32.
ATTNJIT_DEVICE u32 funnel_right(u32 low, u32 high, u32 amount) { return __funnelshift_r(low, high, amount); }
/// The same for one word; `amount` is taken modulo 32.
ATTNJIT_DEVICE u32 rotate_right(u32 bits, u32 amount) { return __funnelshift_r(bits, bits, amount); }

/// PTX ISA 9.7.13.13, griddepcontrol (SM 9.0 on). A dependent grid may start once every CTA has called
/// launch_dependents() or exited; the wait ends when the prerequisite grids are complete and their writes visible.
ATTNJIT_DEVICE void launch_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
ATTNJIT_DEVICE void wait_for_prerequisites() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

/// The CTA's dynamic shared memory, viewed as the one struct that lays it out.
template <class Layout>
ATTNJIT_DEVICE Layout& dynamic_shared() {
  extern __shared__ __align__(1024) u8 shared_bytes[];
  return *reinterpret_cast<Layout*>(shared_bytes);
}

/// Address in the shared state space, as ldmatrix, cp.async and similar instructions take it.
ATTNJIT_DEVICE u32 shared_address(const void* pointer) { return static_cast<u32>(__cvta_generic_to_shared(pointer)); }

/// The same for an object in shared memory.
template <class Place>
ATTNJIT_DEVICE u32 address_of(const Place& place) {
  return shared_address(&place);
}

}  // namespace attnjit::kernel
