// Thread coordinates, barriers, shuffles, address spaces, on the emulator.
#pragma once

#include "ptx/machine.h"

#define ATTNJIT_DEVICE inline

namespace attnjit::kernel {

ATTNJIT_DEVICE int thread_index() { return machine().thread; }
ATTNJIT_DEVICE u32 block_index() { return machine().block; }

ATTNJIT_DEVICE void sync_block(Site site = Site::here()) { machine().sync_block(site); }
ATTNJIT_DEVICE void sync_warp(Site site = Site::here()) { machine().sync_warp(site); }

ATTNJIT_DEVICE float shuffle_xor(float value, int lane_mask, Site site = Site::here()) {
  struct Operands {
    float value;
    int lane_mask;
    float result;
  } mine{value, lane_mask, 0};
  machine().warp_collective(site, "shfl.sync.bfly", &mine, [](void* const(&lanes)[emulator::kWarpLanes]) {
    for (int lane = 0; lane < emulator::kWarpLanes; ++lane) {
      Operands& to = *static_cast<Operands*>(lanes[lane]);
      to.result = static_cast<const Operands*>(lanes[(lane ^ to.lane_mask) % emulator::kWarpLanes])->value;
    }
  });
  return mine.result;
}

template <class Layout>
ATTNJIT_DEVICE Layout& dynamic_shared() {
  return *reinterpret_cast<Layout*>(machine().shared);
}

ATTNJIT_DEVICE u32 shared_address(const void* pointer) { return machine().shared_address(pointer); }

}  // namespace attnjit::kernel
