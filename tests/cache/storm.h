// Many processes, each with many threads, that all want the same kernels from one store at the same time; and a hand
// that kills them at random.
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
  /// Without strikes: each thread wants every one of these, each process beginning with another. With strikes: the
  /// processes move on through ever new kernels until all strikes are done.
  int kernels = 6;
  int strikes = 0;  // SIGKILL, each to a random process, which a new one replaces
  unsigned seed = 1;
  std::chrono::milliseconds compile_time{5};
  std::size_t image_bytes = 60'000;
};

struct StormResult {
  std::map<int, int> begun;         // kernel -> how often its compile was begun
  std::map<int, int> committed;     // kernel -> how often a process reported it as compiled and kept
  std::vector<std::string> faults;  // everything that a process found wrong, and every bad end of one
  std::map<int, Digest> digests;    // of the images that were reported
  std::int64_t served = 0;          // requests
  double seconds = 0;
};

/// Runs the storm to its end; every process is gone afterwards. Must be called from a process with one thread.
StormResult run_storm(const StormOptions& options);

/// Faults of what a storm left behind, found by a fresh start: what is lost or wrong, locks that are held, files that
/// do not belong there, warnings.
std::vector<std::string> look_after_storm(const StormOptions& options, const StormResult& result);

}  // namespace attnjit::cache
