// The state of a CTA that runs: its threads, warps and shared memory.
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

/// Where shared addresses start, as on the device, where the driver keeps the bytes below: no address is 0 by accident.
inline constexpr u32 kSharedBase = 1024;

struct Cta;

/// What a thread did about the products of its warpgroup. Fences and waits are counted together.
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
  const char* what = "";           // for what
  int which = 0;                   // barrier: a named one's number, an mbarrier's index
  u32 parity = 0;                  // of the mbarrier's phase
  const void* operands = nullptr;  // of the collective that it waits for
  AsyncCopies copies{};
  WgmmaProgress products{};

  explicit Thread(std::size_t stack_bytes) : fiber(stack_bytes) {}
};

struct Warp {
  Cta* cta = nullptr;
  int index = 0;
  u32 ready = 0;       // mask of lanes
  u32 meeting = 0;     // mask of lanes that arrived at a warp collective
  u32 at_barrier = 0;  // mask of lanes that wait at the block barrier
  int first_lane = 0;  // from which ready lanes are taken, in turn

  Thread& lane(int lane) const;
};

struct Warpgroup {
  int meeting = 0;  // threads that came
  Products products{};
  /// Registers that products used, by the address that the first thread has them at.
  struct Registers {
    bool in_flight = false;
    u32 group = 0;       // the last product's
    int columns = 0;     // of that product as an accumulator
    u32 free_since = 0;  // event of the first thread
  };
  std::map<const void*, Registers> registers{};
};

/// Aligned as dynamic shared memory is.
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
  const ConcurrentLaunch* launch = nullptr;  // whose CTA runs
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
  std::vector<TileCopy> tile_copies;  // under way
  // With race checks only.
  std::optional<Shadow> shadow;
  std::optional<Clocks> clocks;

  explicit Cta(u32 smem_bytes) : shared(smem_bytes) {}
  /// What lies at shared address 0, of which the first kSharedBase bytes do not exist.
  const u8* address_zero() const { return shared.data.get() - kSharedBase; }
};

inline Thread& Warp::lane(int lane) const { return cta->threads[static_cast<std::size_t>(index * kWarpLanes + lane)]; }

/// "block 3: warp 0: lanes 0-31 wait at core/x.cuh:12 (sync_block)", a line per warp and state.
std::string describe_threads(const Cta& cta);

}  // namespace attnjit::emulator
