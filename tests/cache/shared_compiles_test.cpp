// Caches of one process without a common store.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "cache/kernel_cache.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

class SharedCompiles : public testing::Test {
 protected:
  static KernelCache::Request request(int number = 0) { return {.fields = sample_fields(number), .wish = {}}; }
  /// A compile that is counted.
  KernelCache::Compile counted(int number = 0) {
    return [this, number] {
      ++compiles_;
      return sample_entry(number);
    };
  }

  std::atomic<int> compiles_ = 0;
};

TEST_F(SharedCompiles, EightCachesAtOnceCompileOnce) {
  std::vector<std::unique_ptr<KernelCache>> caches;
  for (int i = 0; i < 8; ++i) caches.push_back(std::make_unique<KernelCache>(KernelCacheOptions{}));
  std::vector<std::thread> threads;
  for (const auto& cache : caches) {
    threads.emplace_back([&] { expect_same(*cache->get(request(), counted()).entry, sample_entry()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(compiles_, 1);
}

/// As on a read-only disk, where nobody can lock.
TEST_F(SharedCompiles, CachesWhoseKeysCannotBeLockedCompileOnce) {
  TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "compile.lock");
  KernelCacheOptions options;
  options.location.directory = directory.path();
  std::vector<std::unique_ptr<KernelCache>> caches;
  for (int i = 0; i < 4; ++i) caches.push_back(std::make_unique<KernelCache>(options));
  std::vector<std::thread> threads;
  for (const auto& cache : caches) {
    threads.emplace_back([&] { cache->get(request(), counted()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(compiles_, 1);
}

TEST_F(SharedCompiles, AnotherCachesKernelIsNoMiss) {
  KernelCache first({}), second({});
  first.get(request(), counted());
  KernelCache::Request asks = request();
  asks.on_miss = [](const std::string&) -> MissDecision { throw std::runtime_error("a frozen Context"); };
  EXPECT_EQ(second.get(asks, counted()).tier, Tier::kMemory);
  EXPECT_EQ(second.counters().misses, 0);
}

TEST_F(SharedCompiles, ADestroyedCacheLeavesNothing) {
  std::weak_ptr<const Entry> left;
  {
    KernelCache cache({});
    left = cache.get(request(), counted()).entry;
    EXPECT_FALSE(left.expired());
  }
  EXPECT_TRUE(left.expired());
  KernelCache cache({});
  EXPECT_EQ(cache.get(request(), counted()).tier, Tier::kCompiled);
  EXPECT_EQ(compiles_, 2);
}

TEST_F(SharedCompiles, AFailureIsOfOneCache) {
  KernelCache fails({}), waits({});
  std::thread other;
  EXPECT_THROW(fails.get(request(),
                         [&]() -> Entry {
                           Signal asked;
                           KernelCache::Request asks = request();
                           asks.on_miss = [&asked](const std::string&) {
                             asked.give();
                             return MissDecision::kCompile;
                           };
                           other = std::thread([this, &waits, asks] { waits.get(asks, counted()); });
                           asked.take();
                           throw std::runtime_error("no compiler there");
                         }),
               std::runtime_error);
  other.join();
  EXPECT_EQ(compiles_, 1);
  EXPECT_EQ(waits.counters().compiles, 1);
}

TEST_F(SharedCompiles, AnotherWishIsAnotherCompile) {
  KernelCache first({}), second({}), third({}), fourth({});
  first.get(request(), counted());
  KernelCache::Request exact = request();
  exact.wish.exactly = kOldCompiler;
  EXPECT_EQ(second.get(exact, [this] { return ++compiles_, sample_entry(0, kOldCompiler); }).tier, Tier::kCompiled);
  KernelCache::Request refuses = request();
  refuses.wish.accepts = [](const CompilerId& compiler) { return compiler != kNewCompiler; };
  EXPECT_EQ(third.get(refuses, [this] { return ++compiles_, sample_entry(0, kOldCompiler); }).tier, Tier::kCompiled);
  KernelCache::Request insists = request();
  insists.recompile = true;
  EXPECT_EQ(fourth.get(insists, counted()).tier, Tier::kCompiled);
  EXPECT_EQ(compiles_, 4);
}

TEST_F(SharedCompiles, AKernelOfOtherTemplatesIsNotShared) {
  KernelCache first({}), second({});
  first.get(request(), [this] {
    Entry entry = sample_entry();
    entry.local = true;
    return ++compiles_, entry;
  });
  EXPECT_EQ(second.get(request(), counted()).tier, Tier::kCompiled);
}

}  // namespace
}  // namespace attnjit::cache
