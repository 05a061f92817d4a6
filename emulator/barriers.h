// Barriers that are more than a meeting of the whole CTA: mbarriers in shared memory, and the 16 named ones.
#pragma once

#include <bitset>

#include "emulator/clocks.h"
#include "emulator/tensor_map.h"

namespace attnjit::emulator {

/// An mbarrier. Its 8 bytes in shared memory hold only a stamp, so that it shows when something else is written there.
struct MbarrierState {
  static constexpr u64 kStamp = 0x6261'7272'6965'7200;

  u32 offset = 0;  // within the CTA's shared memory
  int index = 0;
  u32 arrivals = 0;         // that end a phase
  u32 pending = 0;          // that this phase waits for
  i64 bytes = 0;            // that this phase waits for; negative while copies were faster than who expects them
  std::uint32_t phase = 0;  // phases that have ended
  // With race checks only.
  Moment initialised{};
  bool fenced = false;    // fence_mbarrier_init came after
  Clocks::Row arrived{};  // what those know who arrived in this phase
  Clocks::Row ended{};    // and in the one before
};

struct NamedBarrierState {
  int threads = 0;  // that take part; 0 while nobody has come
  int count = 0;
  std::bitset<1024> came{};
  Clocks::Row arrived{};
};

/// A copy of a tile that is under way.
struct TileCopy {
  TensorDescription tensor;
  int column, head, token;
  u32 offset;
  u32 bytes;
  int barrier;  // index
};

}  // namespace attnjit::emulator
