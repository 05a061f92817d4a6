// The state of a CTA that runs: its threads, warps and shared memory.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "emulator/async_copies.h"
#include "emulator/fiber.h"
#include "emulator/ptx/machine.h"
#include "emulator/shadow.h"

namespace attnjit::emulator {

/// Where shared addresses start, as on the device, where the driver keeps the bytes below: no address is 0 by accident.
inline constexpr u32 kSharedBase = 1024;

struct Cta;

struct Thread {
  enum class State { kReady, kAtBlockBarrier, kAtWarpMeeting, kExited };

  Fiber fiber;
  Cta* cta = nullptr;
  int index = 0;
  State state = State::kReady;
  Site site{};               // where it waits
  const char* what = "";     // for what
  void* operands = nullptr;  // of the warp collective that it waits for
  AsyncCopies copies{};

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
  u32 block = 0;
  bool running = false;
  int live = 0;        // threads that have not exited
  int at_barrier = 0;  // threads that wait at the block barrier
  SharedWindow shared;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  // With race checks only.
  std::optional<Shadow> shadow;
  std::optional<Clocks> clocks;

  explicit Cta(u32 smem_bytes) : shared(smem_bytes) {}
};

inline Thread& Warp::lane(int lane) const { return cta->threads[static_cast<std::size_t>(index * kWarpLanes + lane)]; }

/// "block 3: warp 0: lanes 0-31 wait at core/x.cuh:12 (sync_block)", a line per warp and state.
std::string describe_threads(const Cta& cta);

}  // namespace attnjit::emulator
