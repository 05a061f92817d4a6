// Many processes that use one store for as long as somebody makes trouble for them, and are judged all the time: no
// request fails, none is served wrong bytes, none takes long, and what a process reported as kept is not lost.
//
// Time during which a process was stopped does not count: the parent, which stops it, keeps account of it.
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
  std::chrono::milliseconds pause{40};  // between two requests of a thread, at most
  std::chrono::milliseconds open_pause{3000};
  /// Kernels may be gone: somebody deletes them.
  bool may_lose = false;
  /// Called in each process before its first request.
  std::function<void(int index)> at_start = {};
};

struct FleetResult {
  std::int64_t served = 0;         // requests
  std::int64_t compiled = 0;       // of them, by a compile
  std::int64_t from_store = 0;     // of them, from the store or from another process's compile
  std::int64_t frozen_misses = 0;  // of processes that may not compile, each with its reason
  std::int64_t warnings = 0;
  double slowest = 0;  // s, of a request; time in which its process was stopped left out
  int kills = 0;
  int stops = 0;
  std::map<int, Digest> committed;  // kernels that a process reported as kept, by their image
  std::vector<std::string> faults;
  std::map<std::string, int> warned;  // texts, without what differs from process to process
};

/// The longest that a request may take.
inline constexpr std::chrono::seconds kMostPerRequest{10};

/// Must be made in a process with one thread. Every process is gone when it is destroyed.
class Fleet {
 public:
  /// Fills the store and starts the processes: of each four, one is warm and has one thread, one makes new kernels, one
  /// has three threads that do both, and one may not compile (freeze mode).
  explicit Fleet(FleetOptions options);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  /// Lets them work, and looks after them: what was killed is replaced, what was stopped goes on in time.
  void work(std::chrono::milliseconds time);
  void kill_one();                                // SIGKILL; another one takes its place
  void stop_one(std::chrono::milliseconds time);  // SIGSTOP, and SIGCONT when the time is over
  /// From now on only what is begun later counts as committed: somebody has deleted the rest. With `but_known`, not
  /// what was there from the start.
  void forget_committed(bool but_known = false);
  std::size_t committed() const;

  /// Continues what is stopped, waits for the end of all, and looks at what they leave in the store.
  FleetResult finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// ATTNJIT_STORM_SEED, else `otherwise`; printed, so that a run can be repeated.
unsigned storm_seed(unsigned otherwise);

/// What was seen, as one line.
std::string to_string(const FleetResult& result);

}  // namespace attnjit::cache
