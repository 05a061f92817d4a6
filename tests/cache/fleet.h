// Many processes that use one store while something makes trouble for them, under constant checks: no request fails,
// none is served wrong bytes, none takes long, and nothing that a process reported as kept is lost.
//
// Time during which a process was stopped does not count: the parent, which stops it, keeps track of it.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cache/key.h"

namespace attnjit::cache {

struct FleetOptions {
  std::filesystem::path directory;  // of the store
  int processes = 64;
  int known = 30;  // kernels 0 to known - 1 are in the store before the first process starts
  unsigned seed = 1;
  std::size_t image_bytes = 8'000;
  std::chrono::milliseconds compile_time{5};
  std::chrono::milliseconds pause{40};  // most between two requests of a thread
  std::chrono::milliseconds open_pause{3000};
  /// Kernels may disappear because something deletes them.
  bool may_lose = false;
  /// Called in each process before its first request.
  std::function<void(int index)> at_start = {};
};

struct FleetResult {
  std::int64_t served = 0;         // requests
  std::int64_t compiled = 0;       // of these, by a compile
  std::int64_t from_store = 0;     // of these, from the store or from another process's compile
  std::int64_t frozen_misses = 0;  // in processes that may not compile, each with its reason
  std::int64_t warnings = 0;
  double slowest = 0;  // s, of a request; excludes time in which its process was stopped
  int kills = 0;
  int stops = 0;
  std::map<int, Digest> committed;  // kernels that a process reported as kept, with the digest of their image
  std::vector<std::string> faults;
  std::map<std::string, int> warned;  // warning texts, without what differs between processes
};

/// The longest that a request may take.
inline constexpr std::chrono::seconds kMostPerRequest{10};

/// Create it in a process with one thread. Its destructor ends every process.
class Fleet {
 public:
  /// Fills the store and starts the processes. Of each four, one is warm and has one thread, one makes new kernels, one
  /// has three threads that do both, and one may not compile (freeze mode).
  explicit Fleet(FleetOptions options);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  /// Lets the processes work and looks after them: replaces those that were killed, continues in time those that were
  /// stopped.
  void work(std::chrono::milliseconds time);
  void kill_one();                                // SIGKILL; another process takes its place
  void stop_one(std::chrono::milliseconds time);  // SIGSTOP, then SIGCONT when the time is over
  /// From now on only kernels begun later count as committed, because something deleted the others. With `but_known`,
  /// the kernels that were there from the start still count.
  void forget_committed(bool but_known = false);
  std::size_t committed() const;

  /// Continues stopped processes, waits for all to end, and checks what they leave in the store.
  FleetResult finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// ATTNJIT_STORM_SEED, else `otherwise`; printed, so that a run can be repeated.
unsigned storm_seed(unsigned otherwise);

/// The result as one line.
std::string to_string(const FleetResult& result);

}  // namespace attnjit::cache
