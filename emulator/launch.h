// One launch of a kernel on the emulator: what it is told, what it tells.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/async_copies.h"
#include "emulator/fault.h"
#include "emulator/ptx/machine.h"

namespace attnjit::emulator {

/// A kernel as a function of the host: what one CUDA thread runs. It makes `machine` its object's current one first.
using KernelFunction = void (*)(Machine* machine, const void* params);

struct Grid {
  u32 ctas = 1;
  int threads = 32;  // per CTA, a multiple of 32
  u32 smem_bytes = 0;
};

/// What orders memory or completes asynchronous work: what the mutation test drops.
struct SyncSite {
  std::string what;  // "sync_block", "sync_warp", "cp_async_wait", "cp_async_commit"
  std::string file;
  int line = 0;
  bool operator==(const SyncSite&) const = default;
  auto operator<=>(const SyncSite&) const = default;
};

/// One line of a trace: what the first lane of a warp did.
struct TraceEvent {
  u32 block;
  int warp;
  std::string_view what;  // "cp_async"
  std::string detail;     // "16 bytes to 128"
  Site site;
};

struct LaunchOptions {
  Completion completion = Completion::kRandom;
  /// Of the order of CTAs, warps and lanes, and of random completion.
  std::uint64_t seed = 1;
  /// Keep track of every access to shared memory: races and uninitialised reads are faults.
  bool race_check = false;
  /// CTAs that run interleaved.
  int ctas_in_flight = 2;
  /// Calls at this site do nothing. A `file` that is empty is none.
  SyncSite dropped{};
  /// Where the trace goes, if anywhere; only of CTA `traced_block`.
  std::vector<TraceEvent>* trace = nullptr;
  u32 traced_block = 0;
};

struct LaunchResult {
  std::vector<SyncSite> sync_sites;  // each once, sorted
  std::uint64_t switches = 0;        // between threads
};

/// A launch among others that run at the same time.
struct ConcurrentLaunch {
  KernelFunction kernel = nullptr;
  const void* params = nullptr;
  Grid grid;
};

/// Runs all CTAs. Throws KernelFault.
LaunchResult launch(KernelFunction kernel, const void* params, const Grid& grid, const LaunchOptions& options);
/// Runs the CTAs of all launches among each other, as streams of a device do. Their CTAs have the same number of
/// threads and bytes of shared memory. Throws KernelFault.
LaunchResult launch_together(const std::vector<ConcurrentLaunch>& launches, const LaunchOptions& options);

}  // namespace attnjit::emulator
