// Many processes with many threads each, all of which want the same kernels from one store at the same time, while
// processes are killed at random.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cache/key.h"

namespace attnjit::cache {

struct StormOptions {
  std::filesystem::path directory;  // of the store
  int processes = 64;
  int threads = 4;
  /// Without strikes: each thread wants every one of these, and each process begins with a different one. With strikes:
  /// the processes move on through new kernels until all strikes are done.
  int kernels = 6;
  int strikes = 0;  // SIGKILLs, each to a random process, which a new one replaces
  unsigned seed = 1;
  std::chrono::milliseconds compile_time{5};
  std::size_t image_bytes = 60'000;
};

struct StormResult {
  std::map<int, int> begun;         // kernel -> how often its compile began
  std::map<int, int> committed;     // kernel -> how often a process reported it as compiled and kept
  std::vector<std::string> faults;  // everything that a process found wrong, and every process that ended badly
  std::map<int, Digest> digests;    // of the reported images
  std::int64_t served = 0;          // requests
  double seconds = 0;
};

/// Runs the storm to its end, after which every process is gone. Call it from a process with one thread.
StormResult run_storm(const StormOptions& options);

/// Faults in what a storm left behind, found by a fresh start: lost or wrong kernels, held locks, files that do not
/// belong there, warnings.
std::vector<std::string> look_after_storm(const StormOptions& options, const StormResult& result);

}  // namespace attnjit::cache
