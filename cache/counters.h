// Counters of the cache tiers. Written with relaxed atomics by whoever does the work, never on the launch path; a
// reader sees each number on its own, not a consistent snapshot.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace attnjit::cache {

using Count = std::atomic<std::int64_t>;

/// Adds its own lifetime to a sum of nanoseconds.
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

/// Counters of one store. bad_rows and bad_files were found damaged and repaired; evicted_rows were deleted for the
/// size cap.
struct StoreCounters {
  Count bad_rows{0}, bad_files{0}, evicted_rows{0};
};

/// Counters of one KernelCache. Each get() counts in one of memory_hits, store_hits, waits, compiles and
/// compile_failures, except one that waited in vain, which counts in waits (as soon as it waits) and in its outcome,
/// and one ended by Request::on_miss. misses counts the get() calls in charge of their key that found it neither in
/// memory nor in the store at first look, whatever their outcome. store_failures counts every failed use of the store,
/// repairs every row or file repaired.
struct Counters {
  Count memory_hits{0}, store_hits{0}, waits{0}, misses{0}, compiles{0}, compile_failures{0}, repairs{0},
      store_failures{0};
  /// Sums over all threads. wait: for another thread or process that compiles; compile: includes failed ones.
  Count compile_nanoseconds{0}, wait_nanoseconds{0}, store_read_nanoseconds{0}, store_write_nanoseconds{0};
};

}  // namespace attnjit::cache
