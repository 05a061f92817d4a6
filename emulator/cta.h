// The state of a running CTA: its threads, warps and shared memory.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "emulator/async_copies.h"
#include "emulator/barriers.h"
#include "emulator/fiber.h"
#include "emulator/launch.h"
#include "emulator/products.h"
#include "emulator/ptx/machine.h"
#include "emulator/shadow.h"

namespace attnjit::emulator {

/// Start of the shared addresses. As on the device, where the driver keeps the bytes below, no address is 0 by
/// accident.
inline constexpr u32 kSharedBase = 1024;

struct Cta;

/// A thread's view of the wgmma of its warpgroup. Fences and waits are counted together, as events.
struct WgmmaProgress {
  u32 groups = 0;  // committed
  u32 events = 0;
  u32 last_fence = 0;
  u32 last_wait = 0;
};

struct Thread {
  enum class State {
    kReady,
    kAtBlockBarrier,
    kAtNamedBarrier,
    kAtMbarrier,
    kAtWarpMeeting,
    kAtWarpgroupMeeting,
    kExited
  };

  Fiber fiber;
  Cta* cta = nullptr;
  int index = 0;
  State state = State::kReady;
  Site site{};                     // where it waits
  const char* what = "";           // what it waits for
  int which = 0;                   // which barrier: number of a named one, index of an mbarrier
  u32 parity = 0;                  // of the mbarrier phase it waits for
  const void* operands = nullptr;  // of the collective it waits at
  AsyncCopies copies{};
  WgmmaProgress products{};

  explicit Thread(std::size_t stack_bytes) : fiber(stack_bytes) {}
};

struct Warp {
  Cta* cta = nullptr;
  int index = 0;
  u32 ready = 0;       // mask of ready lanes
  u32 meeting = 0;     // mask of lanes that arrived at a warp collective
  u32 at_barrier = 0;  // mask of lanes that wait at the block barrier
  int first_lane = 0;  // where the round-robin over ready lanes starts

  Thread& lane(int lane) const;
};

struct Warpgroup {
  int meeting = 0;  // threads that arrived at a warpgroup collective
  Products products{};
  /// Registers that wgmma used, by their address in the first thread.
  struct Registers {
    bool in_flight = false;
    u32 group = 0;       // of the last wgmma
    int columns = 0;     // of that wgmma as an accumulator
    u32 free_since = 0;  // event of the first thread
  };
  std::map<const void*, Registers> registers{};
};

/// Aligned like dynamic shared memory.
struct SharedWindow {
  explicit SharedWindow(u32 window_bytes)
      : bytes(window_bytes), data(static_cast<u8*>(::operator new (window_bytes, std::align_val_t{1024}))) {}
  struct Free {
    void operator()(u8* pointer) const { ::operator delete (pointer, std::align_val_t{1024}); }
  };
  u32 bytes;
  std::unique_ptr<u8, Free> data;
};

struct Cta {
  const ConcurrentLaunch* launch = nullptr;  // the launch that the CTA belongs to
  u32 block = 0;
  bool running = false;
  int live = 0;        // threads that have not exited
  int at_barrier = 0;  // threads that wait at the block barrier
  SharedWindow shared;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<Warpgroup> warpgroups;
  std::vector<MbarrierState> mbarriers;
  std::array<NamedBarrierState, 16> named_barriers;
  std::vector<TileCopy> tile_copies;  // in flight
  // With race checks only.
  std::optional<Shadow> shadow;
  std::optional<Clocks> clocks;

  explicit Cta(u32 smem_bytes) : shared(smem_bytes) {}
  /// What would be at shared address 0; the first kSharedBase bytes do not exist.
  const u8* address_zero() const { return shared.data.get() - kSharedBase; }
};

inline Thread& Warp::lane(int lane) const { return cta->threads[static_cast<std::size_t>(index * kWarpLanes + lane)]; }

/// "block 3: warp 0: lanes 0-31 wait at core/x.cuh:12 (sync_block)", one line per warp and state.
std::string describe_threads(const Cta& cta);

}  // namespace attnjit::emulator
