// Thread coordinates, barriers, shuffles and address spaces on the emulator.
#pragma once

#include "ptx/machine.h"

#define ATTNJIT_DEVICE inline

namespace attnjit::kernel {

ATTNJIT_DEVICE int thread_index() { return machine().thread; }
ATTNJIT_DEVICE int reread_thread_index() { return machine().thread; }
ATTNJIT_DEVICE int reread_lane_index() { return machine().thread % 32; }
ATTNJIT_DEVICE u32 block_index() { return machine().block; }
ATTNJIT_DEVICE u32 grid_size() { return machine().ctas; }

ATTNJIT_DEVICE void sync_block(Site site = Site::here()) { machine().sync_block(site); }
ATTNJIT_DEVICE void sync_warp(Site site = Site::here()) { machine().sync_warp(site); }

namespace emulated {

/// A shuffle: every lane gets the value of lane `source_lane(lane, its operand)`.
template <class Value, int (*source_lane)(int lane, int operand)>
inline Value shuffle(Site site, const char* instruction, Value value, int operand) {
  struct Operands {
    Value value;
    int operand;
    Value result;
  } mine{value, operand, {}};
  machine().warp_collective(site, instruction, &mine, [](void* const(&lanes)[emulator::kWarpLanes]) {
    for (int lane = 0; lane < emulator::kWarpLanes; ++lane) {
      Operands& to = *static_cast<Operands*>(lanes[lane]);
      to.result = static_cast<const Operands*>(lanes[source_lane(lane, to.operand)])->value;
    }
  });
  return mine.result;
}
inline int lane_across(int lane, int mask) { return (lane ^ mask) % emulator::kWarpLanes; }
inline int lane_below(int lane, int distance) { return lane >= distance ? lane - distance : lane; }
inline int lane_named(int, int source) { return source % emulator::kWarpLanes; }

}  // namespace emulated

ATTNJIT_DEVICE float shuffle_xor(float value, int lane_mask, Site site = Site::here()) {
  return emulated::shuffle<float, emulated::lane_across>(site, "shfl.sync.bfly", value, lane_mask);
}
ATTNJIT_DEVICE int shuffle_xor(int value, int lane_mask, Site site = Site::here()) {
  return emulated::shuffle<int, emulated::lane_across>(site, "shfl.sync.bfly", value, lane_mask);
}
ATTNJIT_DEVICE int shuffle_up(int value, int distance, Site site = Site::here()) {
  return emulated::shuffle<int, emulated::lane_below>(site, "shfl.sync.up", value, distance);
}
ATTNJIT_DEVICE int shuffle_from(int value, int lane, Site site = Site::here()) {
  return emulated::shuffle<int, emulated::lane_named>(site, "shfl.sync.idx", value, lane);
}
ATTNJIT_DEVICE float shuffle_from(float value, int lane, Site site = Site::here()) {
  return emulated::shuffle<float, emulated::lane_named>(site, "shfl.sync.idx", value, lane);
}
ATTNJIT_DEVICE u32 ballot(bool predicate, Site site = Site::here()) {
  struct Operands {
    bool predicate;
    u32 result;
  } mine{predicate, 0};
  machine().warp_collective(site, "vote.sync.ballot", &mine, [](void* const(&lanes)[emulator::kWarpLanes]) {
    u32 bits = 0;
    for (int lane = 0; lane < emulator::kWarpLanes; ++lane) {
      bits |= static_cast<u32>(static_cast<const Operands*>(lanes[lane])->predicate) << lane;
    }
    for (void* const lane : lanes) static_cast<Operands*>(lane)->result = bits;
  });
  return mine.result;
}

ATTNJIT_DEVICE int highest_bit(u32 bits) { return bits == 0 ? -1 : 31 - __builtin_clz(bits); }
ATTNJIT_DEVICE int lowest_bit(u32 bits) { return __builtin_ffs(static_cast<int>(bits)) - 1; }
ATTNJIT_DEVICE u32 funnel_right(u32 low, u32 high, u32 amount) {
  return static_cast<u32>((static_cast<u64>(high) << 32 | low) >> amount % 32);
}
ATTNJIT_DEVICE u32 rotate_right(u32 bits, u32 amount) { return funnel_right(bits, bits, amount); }

/// The emulator runs launches one after another: the prerequisites of a grid are complete before it starts.
ATTNJIT_DEVICE void launch_dependents() {}
ATTNJIT_DEVICE void wait_for_prerequisites() {}

template <class Layout>
ATTNJIT_DEVICE Layout& dynamic_shared() {
  return *reinterpret_cast<Layout*>(machine().shared);
}

ATTNJIT_DEVICE u32 shared_address(const void* pointer) { return machine().shared_address(pointer); }
template <class Place>
ATTNJIT_DEVICE u32 address_of(const Place& place) {
  return shared_address(&place);
}

}  // namespace attnjit::kernel
