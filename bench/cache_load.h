// Load for the cache benchmark: fake kernels of realistic size that cost nothing to make, or as much CPU time as asked
// for.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cache/kernel_cache.h"

namespace attnjit::bench {

/// About the size of the default presets' cubins.
inline constexpr std::size_t kImageBytes = 60'000;

cache::KeyFields fake_fields(int number);
cache::Entry fake_entry(int number);
/// Computes for this much CPU time of the thread: threads that share a core take longer, as compilers do.
void burn(std::chrono::milliseconds cpu_time);

/// A cache in `directory`. Any warning of it is an error of the measurement.
std::unique_ptr<cache::KernelCache> open_cache(const std::filesystem::path& directory);

/// Stores kernels 0 to `count` - 1 in one transaction (with Store::put each would wait for the disk).
void fill_store(const std::filesystem::path& directory, int count);

struct Spread {
  double median = 0, high = 0, most = 0;  // high: 99th percentile
};
Spread spread_of(std::vector<double> values);

}  // namespace attnjit::bench
