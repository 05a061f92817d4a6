// What the tiers of the cache have done so far. Written with relaxed atomics by whoever does the work, never on
// the way of a launch; a reader sees each number by itself, not all of one moment.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace attnjit::cache {

using Count = std::atomic<std::int64_t>;

/// Adds the time from its making to its end to a sum of nanoseconds.
class Stopwatch {
 public:
  explicit Stopwatch(Count& nanoseconds) : nanoseconds_(nanoseconds) {}
  ~Stopwatch() {
    const auto passed = std::chrono::steady_clock::now() - start_;
    nanoseconds_.fetch_add(std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count(),
                           std::memory_order_relaxed);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  Count& nanoseconds_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Of one store. bad_rows and bad_files are what was found damaged and put right; evicted_rows went for the size
/// cap.
struct StoreCounters {
  Count bad_rows{0}, bad_files{0}, evicted_rows{0};
};

/// Of one KernelCache. Each get() counts in one of memory_hits, store_hits, waits, compiles and compile_failures,
/// but for one that waited in vain: it counts in waits (as soon as it waits) and in what it came to; and for one
/// that Request::on_miss ended. misses counts the get() calls that led the way for their key and found it neither
/// in memory nor in the store at their first look, whatever they came to. store_failures counts every failed use
/// of the store, repairs every row or file put right.
struct Counters {
  Count memory_hits{0}, store_hits{0}, waits{0}, misses{0}, compiles{0}, compile_failures{0}, repairs{0},
      store_failures{0};
  /// Sums over all threads. wait: for another thread or process that compiles; compile: failed ones as well.
  Count compile_nanoseconds{0}, wait_nanoseconds{0}, store_read_nanoseconds{0}, store_write_nanoseconds{0};
};

}  // namespace attnjit::cache
