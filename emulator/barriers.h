// Barriers other than the whole CTA's: mbarriers in shared memory, and the 16 named barriers.
#pragma once

#include <bitset>

#include "emulator/clocks.h"
#include "emulator/tensor_map.h"

namespace attnjit::emulator {

/// An mbarrier. Its 8 bytes in shared memory hold only a stamp, which shows when something else is written there.
struct MbarrierState {
  static constexpr u64 kStamp = 0x6261'7272'6965'7200;

  u32 offset = 0;  // within the CTA's shared memory
  int index = 0;
  u32 arrivals = 0;         // per phase
  u32 pending = 0;          // arrivals still missing in this phase
  i64 bytes = 0;            // bytes still missing in this phase; negative if copies landed before their expect_tx
  std::uint32_t phase = 0;  // phases completed so far
  // With race checks only.
  Moment initialised{};
  bool fenced = false;    // fence_mbarrier_init came after the init
  Clocks::Row arrived{};  // merged clock of the threads that arrived in this phase
  Clocks::Row ended{};    // and in the previous phase
};

struct NamedBarrierState {
  int threads = 0;  // participants; 0 before the first arrival
  int count = 0;
  std::bitset<1024> came{};
  Clocks::Row arrived{};
};

/// A TMA tile copy in flight.
struct TileCopy {
  TensorDescription tensor;
  int column, head, token;
  u32 offset;
  u32 bytes;
  int barrier;  // index of its mbarrier
};

}  // namespace attnjit::emulator
