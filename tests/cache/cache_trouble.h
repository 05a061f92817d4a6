// A KernelCache in trouble, with the checks that all such tests share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cache/kernel_cache.h"
#include "tests/cache/support.h"

namespace attnjit::cache {

/// A cache that records its warnings.
class WatchedCache {
 public:
  explicit WatchedCache(Location location)
      : cache_({.location = std::move(location), .warn = [this](const std::string& text) {
                  const std::lock_guard guard(mutex_);
                  warnings_.push_back(text);
                }}) {}
  explicit WatchedCache(const std::filesystem::path& directory) : WatchedCache(in(directory)) {}

  KernelCache* operator->() { return &cache_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// The tier that served the kernel; no kernel may ever be served with wrong content.
  Tier get(int number) {
    const Found found =
        cache_.get({sample_fields(number), {}, false}, [number] { return sample_entry(number, kNewCompiler); });
    EXPECT_EQ(found.entry->image, sample_entry(number, kNewCompiler).image);
    return found.tier;
  }
  /// New kernels are compiled, and later found in memory, whatever is wrong with the store.
  void expect_serves(int first = 100) {
    for (int number = first; number < first + 3; ++number) EXPECT_EQ(get(number), Tier::kCompiled);
    for (int number = first; number < first + 3; ++number) EXPECT_EQ(get(number), Tier::kMemory);
  }

 private:
  static Location in(const std::filesystem::path& directory) {
    Location location;
    location.directory = directory;
    return location;
  }
  std::mutex mutex_;
  std::vector<std::string> warnings_;
  KernelCache cache_;
};

/// For a forked process: the exit status says whether an expectation failed there (gtest has printed which).
inline int checked(const std::function<void()>& body) {
  body();
  std::fflush(nullptr);  // the process ends with _exit
  return ::testing::Test::HasFailure() ? 1 : 0;
}

}  // namespace attnjit::cache
