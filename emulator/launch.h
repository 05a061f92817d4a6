// One launch of a kernel on the emulator: its inputs, options and results.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/async_copies.h"
#include "emulator/fault.h"
#include "emulator/ptx/machine.h"

namespace attnjit::emulator {

/// A kernel as a host function: the code of one CUDA thread. It first makes `machine` the current one of its object.
using KernelFunction = void (*)(Machine* machine, const void* params);

struct Grid {
  u32 ctas = 1;
  int threads = 32;  // per CTA, a multiple of 32
  u32 smem_bytes = 0;
};

/// A call site that orders memory or completes asynchronous work. The mutation test drops these.
struct SyncSite {
  std::string what;  // "sync_block", "sync_warp", "cp_async_wait", "cp_async_commit"
  std::string file;
  int line = 0;
  bool operator==(const SyncSite&) const = default;
  auto operator<=>(const SyncSite&) const = default;
};

/// One line of a trace: an event of the first lane of a warp.
struct TraceEvent {
  u32 block;
  int warp;
  std::string_view what;  // "cp_async"
  std::string detail;     // "16 bytes to 128"
  Site site;
};

struct LaunchOptions {
  Completion completion = Completion::kRandom;
  /// Seeds the order of CTAs, warps and lanes, and random completion.
  std::uint64_t seed = 1;
  /// Tracks every access to shared memory: races and uninitialised reads become faults.
  bool race_check = false;
  /// CTAs that run interleaved.
  int ctas_in_flight = 2;
  /// Calls at this site do nothing. An empty `file` means none.
  SyncSite dropped{};
  /// Where to write the trace, if anywhere; covers CTA `traced_block` only.
  std::vector<TraceEvent>* trace = nullptr;
  u32 traced_block = 0;
};

struct LaunchResult {
  std::vector<SyncSite> sync_sites;  // each once, sorted
  std::uint64_t switches = 0;        // between fibers
};

/// One of several launches that run concurrently.
struct ConcurrentLaunch {
  KernelFunction kernel = nullptr;
  const void* params = nullptr;
  Grid grid;
};

/// Runs all CTAs. Throws KernelFault.
LaunchResult launch(KernelFunction kernel, const void* params, const Grid& grid, const LaunchOptions& options);
/// Runs the CTAs of all launches interleaved, as the streams of a device do. All CTAs must have the same number of
/// threads and bytes of shared memory. Throws KernelFault.
LaunchResult launch_together(const std::vector<ConcurrentLaunch>& launches, const LaunchOptions& options);

}  // namespace attnjit::emulator
