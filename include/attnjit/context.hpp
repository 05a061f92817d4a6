// Context: a device (or none), a compile target and a kernel cache. Operators are constructed from it.
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

/// A CUstream, the same type in the driver and runtime APIs; nullptr is the legacy default stream.
using Stream = ::CUstream_st*;

enum class LogLevel : int { kDebug = 0, kInfo = 1, kWarning = 2 };
/// Called from any thread that uses the context, never with a lock held. Default: warnings to stderr. Exceptions it
/// throws are dropped: logging never fails a request. It may use the library; log lines this causes do not reach it,
/// and warnings among them go to stderr. The thread must not exit inside it (pthread_exit).
using LogCallback = std::function<void(LogLevel, const std::string& message)>;

/// Which compiler's cubin to take from the cache.
enum class CompilerPolicy : int {
  kNewest = 0,  ///< the newest one this machine's driver accepts; NVRTC need not be installed
  kExact = 1,   ///< only that of the NVRTC this process would compile with (opens NVRTC)
};

/// What to do if no NVRTC on this machine can build an operator's fastest kernels, but slower ones are available.
/// Hopper's attention kernel needs NVRTC 12.9; with only 12.8, which many PyTorch builds ship, the generic kernel is
/// used.
enum class FallbackPolicy : int {
  kWarn = 1,   ///< use the slower kernels; warn once per Context and count in CacheCounters::fallbacks
  kError = 2,  ///< throw Error(kNoCompiler), or the MissError if there is one
};

struct ContextOptions {
  static constexpr int kNoDevice = -1;

  /// CUDA device ordinal. kNoDevice: compile and cache only; `arch` is then required and run() is an error.
  int device = 0;
  /// Compile target such as "sm_90a"; empty: the one that fits the device.
  std::string arch{};
  /// Cache folder; empty: ATTNJIT_CACHE, XDG_CACHE_HOME/attnjit, HOME/.cache/attnjit, a per-user temporary folder, in
  /// this order; ":memory:": keep kernels in this process only.
  std::string cache_path{};
  CompilerPolicy compiler = CompilerPolicy::kNewest;
  /// Path of libnvrtc; empty: ATTNJIT_NVRTC, then the search that `attnjit doctor` shows.
  std::string nvrtc_path{};
  /// Folder of kernel templates to use instead of the embedded ones; empty: ATTNJIT_TEMPLATE_DIR, else the embedded
  /// ones. Kernels built from such a folder are marked local.
  std::string template_dir{};
  LogCallback log{};
  /// What to do when a kernel is missing, from the first operator on; empty: ATTNJIT_ON_MISS (allow, warn or error),
  /// else MissPolicy::kAllow. An engine that warms up calls Context::freeze() instead.
  std::optional<MissPolicy> on_miss{};
  /// Called for each miss, whatever the policy. An engine can use it to collect what to precompile next time.
  MissCallback miss_callback{};
  /// Size cap of the cache file in bytes; above it the least recently used kernels are evicted. 0: no limit; empty:
  /// ATTNJIT_CACHE_MAX_SIZE ("500M", "2G", "0"), else 2 GiB.
  std::optional<std::int64_t> cache_max_bytes{};
  /// Debug mode: before each launch a small kernel checks on the device what the caller otherwise guarantees (lengths
  /// within max_seqlen, the tensors and the sequence's pages; non-decreasing cu_seqlens and kv_indptr; key_offset
  /// within max_positions; pages in use within the cache). On a violation run() throws Error(kInvalidArgument), which
  /// names the first one. Such a run() allocates, waits for its stream and fails while the stream is captured; each
  /// operator compiles one more kernel. merge_states has nothing to check. Also enabled by ATTNJIT_DEBUG_CHECKS=1.
  bool debug_checks = false;
  /// Empty: ATTNJIT_FALLBACK (warn or error), else FallbackPolicy::kWarn.
  std::optional<FallbackPolicy> fallback{};
};

/// Cheap to copy: copies share everything. Thread-safe.
class ATTNJIT_API Context {
 public:
  /// Throws Error: kNoDriver (no usable libcuda or no such device), kUnsupported (device older than SM 8.0),
  /// kInvalidArgument (unknown arch; an invalid value of a variable such as ATTNJIT_ON_MISS). Cache failures are
  /// warnings, never errors.
  explicit Context(ContextOptions options = {});

  /// The target kernels are compiled for, for example "sm_90a".
  const std::string& arch() const noexcept;
  /// The device ordinal, or ContextOptions::kNoDevice.
  int device() const noexcept;

  /// Ends warm-up: from now on `policy` decides about a missing kernel, for all copies of this Context; kAllow undoes a
  /// freeze. Existing operators and compiles in progress are not affected. Also writes the pending last-use stamps to
  /// the cache file, so that they survive if the server is killed later.
  void freeze(MissPolicy policy = MissPolicy::kError);
  MissPolicy miss_policy() const noexcept;
  /// Counters of this Context's kernel cache so far.
  CacheCounters counters() const;

 private:
  friend struct ContextAccess;  // for the library itself
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// Version of the library, "0.1.0".
ATTNJIT_API const char* version() noexcept;

}  // namespace attnjit
