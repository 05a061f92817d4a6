// What the cache's benchmark loads it with: kernels of a real one's size that cost nothing to make, or as much CPU time
// as is asked for.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cache/kernel_cache.h"

namespace attnjit::bench {

/// As large as the cubins of the default presets are.
inline constexpr std::size_t kImageBytes = 60'000;

cache::KeyFields fake_fields(int number);
cache::Entry fake_entry(int number);
/// Computes for so long, counted in this thread's CPU time: threads that share a core take longer, as compilers do.
void burn(std::chrono::milliseconds cpu_time);

/// A cache in `directory` that throws away no warning: one of them is an error of the measurement.
std::unique_ptr<cache::KernelCache> open_cache(const std::filesystem::path& directory);

/// Kernels 0 to `count` - 1, in one transaction (by Store::put each would wait for the disk).
void fill_store(const std::filesystem::path& directory, int count);

struct Spread {
  double median = 0, high = 0, most = 0;  // high: 99 of 100 are below
};
Spread spread_of(std::vector<double> values);

}  // namespace attnjit::bench
