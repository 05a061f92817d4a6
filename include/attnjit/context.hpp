// Context: a device (or none), a compile target and a kernel cache. Operators are made from it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "attnjit/counters.hpp"
#include "attnjit/export.h"
#include "attnjit/miss.hpp"

struct CUstream_st;  // the driver's; a CUstream or cudaStream_t points to one

namespace attnjit {

/// A CUstream, as the driver and the runtime API both have it; nullptr is the legacy default stream.
using Stream = ::CUstream_st*;

enum class LogLevel : int { kDebug = 0, kInfo = 1, kWarning = 2 };
/// Called from any thread that uses the context, never while a lock is held. Default: warnings to stderr. What it
/// throws is dropped: a log costs no request. It may use the library; a line that this gives rise to is not told to it,
/// a warning among them goes to stderr. A thread must not end inside (pthread_exit).
using LogCallback = std::function<void(LogLevel, const std::string& message)>;

/// Which compiler's cubin is taken from the cache.
enum class CompilerPolicy : int {
  kNewest = 0,  ///< the newest that this machine's driver accepts; NVRTC need not be installed
  kExact = 1,   ///< only the one that this process would compile with (opens NVRTC)
};

/// What becomes of an operator whose fastest kernels no NVRTC on this machine builds, while slower ones can be had.
/// Hopper's attention kernel needs NVRTC 12.9; with 12.8 alone, which many PyTorch builds bring, the kernel for every
/// SM serves.
enum class FallbackPolicy : int {
  kWarn = 1,   ///< the slower kernels serve: a warning, once per Context, and CacheCounters::fallbacks
  kError = 2,  ///< Error(kNoCompiler), or the MissError that there is
};

struct ContextOptions {
  static constexpr int kNoDevice = -1;

  /// CUDA device ordinal. kNoDevice: compile and cache only; then `arch` must be given and run() is an error.
  int device = 0;
  /// Compile target such as "sm_90a"; empty: what fits the device.
  std::string arch{};
  /// Folder of the cache; empty: ATTNJIT_CACHE, XDG_CACHE_HOME/attnjit, HOME/.cache/attnjit, a per-user
  /// temporary folder, in this order; ":memory:": keep kernels in this process only.
  std::string cache_path{};
  CompilerPolicy compiler = CompilerPolicy::kNewest;
  /// Path of libnvrtc; empty: ATTNJIT_NVRTC, then found as `attnjit doctor` shows.
  std::string nvrtc_path{};
  /// Folder to read the kernel templates from in place of the embedded ones; empty: ATTNJIT_TEMPLATE_DIR,
  /// else the embedded ones. Kernels made from it are marked local.
  std::string template_dir{};
  LogCallback log{};
  /// What a missing kernel leads to, from the first operator on; empty: ATTNJIT_ON_MISS (allow, warn or error),
  /// else MissPolicy::kAllow. An engine that warms up sets it by Context::freeze() instead.
  std::optional<MissPolicy> on_miss{};
  /// Told of each miss, whatever the policy: an engine can collect from it what to precompile next time.
  MissCallback miss_callback{};
  /// Size in bytes above which the cache file loses its least recently used kernels; 0: no limit; empty:
  /// ATTNJIT_CACHE_MAX_SIZE ("500M", "2G", "0"), else 2 GiB.
  std::optional<std::int64_t> cache_max_bytes{};
  /// Debug mode: before each launch a small kernel checks on the device what otherwise is the caller's promise (lengths
  /// within max_seqlen, the tensors and the pages that a sequence has, cu_seqlens and kv_indptr that do not decrease,
  /// key_offset within max_positions, pages in use within the cache), and run() throws Error(kInvalidArgument) that
  /// names the first fault. Such a run() allocates, waits for its stream, and is refused while the stream is captured;
  /// an operator compiles one kernel more. merge_states has nothing to check. Also switched on by
  /// ATTNJIT_DEBUG_CHECKS=1.
  bool debug_checks = false;
  /// Empty: ATTNJIT_FALLBACK (warn or error), else FallbackPolicy::kWarn.
  std::optional<FallbackPolicy> fallback{};
};

/// Cheap to copy: copies share everything. Thread-safe.
class ATTNJIT_API Context {
 public:
  /// Throws Error: kNoDriver (no usable libcuda or no such device), kUnsupported (device older than SM 8.0),
  /// kInvalidArgument (unknown arch; a variable such as ATTNJIT_ON_MISS has a value that it does not take).
  /// Trouble with the cache is a warning, never an error.
  explicit Context(ContextOptions options = {});

  /// The target that kernels are compiled for, for example "sm_90a".
  const std::string& arch() const noexcept;
  /// The device ordinal, or ContextOptions::kNoDevice.
  int device() const noexcept;

  /// Warm-up is over: from now on a missing kernel leads to what `policy` says, for all copies of this Context;
  /// kAllow takes a freeze back. Operators that exist are not affected, nor are compiles under way. Also writes
  /// the cache file's gathered use stamps, so that a server that is killed later has left them.
  void freeze(MissPolicy policy = MissPolicy::kError);
  MissPolicy miss_policy() const noexcept;
  /// What the kernel cache of this Context has done so far.
  CacheCounters counters() const;

  class Impl;
  const std::shared_ptr<Impl>& impl() const noexcept { return impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

/// Version of the library, "0.1.0".
ATTNJIT_API const char* version() noexcept;

}  // namespace attnjit
