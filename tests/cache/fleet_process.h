// One process of a Fleet, and what it shares with the parent.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "tests/cache/fleet.h"

namespace attnjit::cache {

inline constexpr int kMostThreads = 3;

/// Nanoseconds of the clock that all processes share.
inline std::int64_t clock_now() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A place in the fleet, taken by one process after another.
struct FleetSlot {
  std::atomic<std::int64_t> stopped{0};                // total time for which its processes were stopped
  std::atomic<std::int64_t> stop_began{0};             // 0: it is running
  std::atomic<std::int64_t> began[kMostThreads] = {};  // net_now() at the start of each thread's request; 0: none

  /// The clock without the time for which the process was stopped.
  std::int64_t net_now() const {
    const std::int64_t stop = stop_began, now = clock_now();
    return now - stopped - (stop ? now - stop : 0);
  }
};

/// In memory shared by all processes.
struct FleetShared {
  static constexpr int kMostProcesses = 128;
  std::atomic<int> stop{0};
  std::atomic<int> front{0};  // the next new kernel
  std::atomic<std::int64_t> served{0}, compiled{0}, from_store{0}, frozen_misses{0}, slowest{0};
  FleetSlot slots[kMostProcesses];
};

/// A message from a process to the parent. Smaller than PIPE_BUF, so records of several writers do not mix.
struct FleetRecord {
  enum Kind : int { kBegun, kCommitted, kWarned, kFault } kind;
  int number = 0;
  pid_t process = 0;
  std::int64_t since = 0;         // clock_now() at the start of the request
  unsigned char digest[32] = {};  // of the image, with kCommitted
  char text[320] = {};
};
static_assert(sizeof(FleetRecord) <= 512, "PIPE_BUF may be as small as 512");

/// Works until told to stop; returns an exit status.
int run_fleet_process(const FleetOptions& options, FleetShared& shared, int pipe, int slot, int index);

}  // namespace attnjit::cache
