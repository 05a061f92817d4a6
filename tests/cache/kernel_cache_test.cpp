#include "cache/kernel_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <thread>

#include "cache/key_lock.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class KernelCacheTest : public ::testing::Test {
 protected:
  std::unique_ptr<KernelCache> make(std::optional<std::filesystem::path> directory) {
    Location location;
    location.directory = std::move(directory);
    return std::make_unique<KernelCache>(KernelCacheOptions{.location = location,
                                                            .warn =
                                                                [this](const std::string& text) {
                                                                  const std::lock_guard guard(mutex_);
                                                                  warnings_.push_back(text);
                                                                },
                                                            .lock_timeout = 10s});
  }
  std::unique_ptr<KernelCache> make() { return make(directory_.path()); }

  /// A compile that counts itself.
  KernelCache::Compile compiler(int number = 0, CompilerId compiler = kNewCompiler) {
    return [this, number, compiler] {
      ++compiles_;
      return sample_entry(number, compiler);
    };
  }
  static KernelCache::Request request(int number = 0) { return {sample_fields(number), {}, false}; }
  /// A compile that must not happen.
  static Entry forbidden() {
    ADD_FAILURE() << "compiled, although the entry was there";
    return sample_entry();
  }

  TemporaryDirectory directory_;
  std::atomic<int> compiles_{0};
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

TEST_F(KernelCacheTest, CompilesOnceThenMemoryThenStore) {
  {
    const auto cache = make();
    const Found first = cache->get(request(), compiler());
    EXPECT_EQ(first.tier, Tier::kCompiled);
    expect_same(*first.entry, sample_entry());
    const Found second = cache->get(request(), forbidden);
    EXPECT_EQ(second.tier, Tier::kMemory);
    EXPECT_EQ(second.entry, first.entry);
    EXPECT_EQ(cache->counters().compiles, 1);
    EXPECT_EQ(cache->counters().memory_hits, 1);
  }
  const auto cache = make();
  const Found third = cache->get(request(), forbidden);
  EXPECT_EQ(third.tier, Tier::kStore);
  expect_same(*third.entry, sample_entry());
  EXPECT_EQ(cache->get(request(), forbidden).tier, Tier::kMemory);
  EXPECT_EQ(cache->counters().store_hits, 1);
  EXPECT_EQ(compiles_, 1);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(KernelCacheTest, FillsInWhatACompileNeedNotKnow) {
  const auto cache = make();
  const Found found = cache->get(request(5), [] {
    Entry bare;
    bare.compiler = kNewCompiler;
    bare.image = {1, 2, 3};
    std::this_thread::sleep_for(2ms);
    return bare;
  });
  EXPECT_EQ(found.entry->fields, sample_fields(5));
  EXPECT_GT(found.entry->created_unix, 0);
  EXPECT_GE(found.entry->compile_seconds, 0.002);
  EXPECT_GE(found.seconds, found.entry->compile_seconds);
  expect_same(*make()->get(request(5), forbidden).entry, *found.entry);
}

TEST_F(KernelCacheTest, MemoryOnlyWorks) {
  const auto cache = make(std::nullopt);
  EXPECT_EQ(cache->store(), nullptr);
  EXPECT_EQ(cache->get(request(), compiler()).tier, Tier::kCompiled);
  EXPECT_EQ(cache->get(request(), forbidden).tier, Tier::kMemory);
  EXPECT_EQ(cache->find(request(1)), nullptr);
  cache->evict(sample_fields(), kNewCompiler);
  EXPECT_EQ(cache->get(request(), compiler()).tier, Tier::kCompiled);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(KernelCacheTest, FindNeverCompiles) {
  EXPECT_EQ(make()->find(request()), nullptr);
  make()->get(request(), compiler());
  const auto cache = make();
  const auto from_store = cache->find(request());
  ASSERT_TRUE(from_store);
  EXPECT_EQ(cache->find(request()), from_store);
  EXPECT_EQ(cache->counters().store_hits, 1);
  EXPECT_EQ(cache->counters().memory_hits, 1);
}

TEST_F(KernelCacheTest, WishIsHonouredInMemoryAndStore) {
  const auto cache = make();
  KernelCache::Request exactly_old = request();
  exactly_old.wish.exactly = kOldCompiler;
  KernelCache::Request old_only = request();
  old_only.wish.accepts = [](const CompilerId& compiler) { return compiler.major < 13; };

  EXPECT_EQ(cache->get(request(), compiler(0, kNewCompiler)).entry->compiler, kNewCompiler);
  EXPECT_EQ(cache->find(exactly_old), nullptr);
  EXPECT_EQ(cache->find(old_only), nullptr);
  EXPECT_EQ(cache->get(exactly_old, compiler(0, kOldCompiler)).tier, Tier::kCompiled);
  EXPECT_EQ(cache->get(old_only, forbidden).entry->compiler, kOldCompiler);
  EXPECT_EQ(cache->get(request(), forbidden).entry->compiler, kNewCompiler) << "the newest wins";

  const auto fresh = make();
  EXPECT_EQ(fresh->get(old_only, forbidden).entry->compiler, kOldCompiler);
  KernelCache::Request exactly_new = request();
  exactly_new.wish.exactly = kNewCompiler;
  EXPECT_EQ(fresh->get(exactly_new, forbidden).tier, Tier::kStore);
}

TEST_F(KernelCacheTest, RecompileReplacesMemoryAndRow) {
  const auto cache = make();
  cache->get(request(), compiler());
  KernelCache::Request again = request();
  again.recompile = true;
  const Found found = cache->get(again, [] {
    Entry entry = sample_entry();
    entry.image = {9};
    return entry;
  });
  EXPECT_EQ(found.tier, Tier::kCompiled);
  EXPECT_EQ(cache->get(request(), forbidden).entry->image, std::vector<unsigned char>{9});
  EXPECT_EQ(make()->get(request(), forbidden).entry->image, std::vector<unsigned char>{9});
  EXPECT_EQ(cache->store()->stat().entries, 1);
}

TEST_F(KernelCacheTest, EvictForgetsMemoryAndRow) {
  const auto cache = make();
  cache->get(request(), compiler());
  cache->evict(sample_fields(), kNewCompiler);
  EXPECT_EQ(cache->find(request()), nullptr);
  EXPECT_EQ(cache->store()->stat().entries, 0);
}

// ---- threads -------------------------------------------------------------------------------------

/// Threads of one process share a compile with or without a store.
enum class Kept { kOnDisk, kInMemory };
class KernelCacheThreads : public KernelCacheTest, public ::testing::WithParamInterface<Kept> {
 protected:
  std::unique_ptr<KernelCache> make_it() { return GetParam() == Kept::kOnDisk ? make() : make(std::nullopt); }
};
INSTANTIATE_TEST_SUITE_P(, KernelCacheThreads, ::testing::Values(Kept::kOnDisk, Kept::kInMemory),
                         [](const auto& kept) { return kept.param == Kept::kOnDisk ? "OnDisk" : "InMemory"; });

TEST_P(KernelCacheThreads, EightThreadsOneCompile) {
  const auto cache = make_it();
  std::atomic<int> from_compile{0}, same{0};
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<const Entry>> entries(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const Found found = cache->get(request(), [&] {
        ++compiles_;
        while (cache->counters().waits < 7) std::this_thread::sleep_for(1ms);  // until all others wait
        return sample_entry();
      });
      entries[i] = found.entry;
      if (found.tier == Tier::kCompiled) ++from_compile;
      if (found.tier == Tier::kWaited) ++same;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(compiles_, 1);
  EXPECT_EQ(from_compile, 1);
  EXPECT_EQ(same, 7);
  for (const auto& entry : entries) EXPECT_EQ(entry, entries[0]);
}

TEST_F(KernelCacheTest, DifferentKeysCompileAtTheSameTime) {
  const auto cache = make();
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      cache->get(request(i), [&, i] {
        ++inside;
        const auto deadline = std::chrono::steady_clock::now() + 10s;
        while (inside < 4 && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
        return sample_entry(i);
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(inside, 4);
  EXPECT_EQ(cache->store()->stat().entries, 4);
}

TEST_P(KernelCacheThreads, FailedCompileIsToldToAllWaiters) {
  const auto cache = make_it();
  std::atomic<int> told{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      try {
        cache->get(request(), [&]() -> Entry {
          ++compiles_;
          while (cache->counters().waits < 15) std::this_thread::sleep_for(1ms);
          throw std::domain_error("ptxas says no");
        });
      } catch (const std::domain_error& error) {
        if (std::string(error.what()) == "ptxas says no") ++told;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(compiles_, 1);
  EXPECT_EQ(told, 16);
  EXPECT_EQ(cache->counters().compile_failures, 1);
  EXPECT_EQ(cache->counters().compiles, 0);
  // The failure is not kept: a later call tries again.
  EXPECT_EQ(cache->get(request(), compiler()).tier, Tier::kCompiled);
}

TEST_F(KernelCacheTest, FailureWithOneCompilerIsNotToldToWhoWantsAnother) {
  const auto cache = make();
  KernelCache::Request exactly_old = request();
  exactly_old.wish.exactly = kOldCompiler;
  std::atomic<bool> started{false};
  std::thread failing([&] {
    EXPECT_THROW(cache->get(exactly_old,
                            [&]() -> Entry {
                              started = true;
                              std::this_thread::sleep_for(20ms);
                              throw std::domain_error("there is no such compiler here");
                            }),
                 std::domain_error);
  });
  while (!started) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(cache->get(request(), compiler()).entry->compiler, kNewCompiler);
  failing.join();
}

TEST_F(KernelCacheTest, WaiterThatDoesNotAcceptTheResultGetsItsOwn) {
  const auto cache = make();
  KernelCache::Request old_only = request();
  old_only.wish.accepts = [](const CompilerId& compiler) { return compiler.major < 13; };
  std::atomic<bool> started{false};
  std::thread first([&] {
    cache->get(request(), [&] {
      started = true;
      while (cache->counters().waits < 1) std::this_thread::sleep_for(1ms);
      return sample_entry(0, kNewCompiler);
    });
  });
  while (!started) std::this_thread::sleep_for(1ms);
  const Found found = cache->get(old_only, compiler(0, kOldCompiler));
  first.join();
  EXPECT_EQ(found.entry->compiler, kOldCompiler);
  EXPECT_EQ(found.tier, Tier::kCompiled);
}

TEST_F(KernelCacheTest, AMissThatIsGivenUpHasNoEntryForItsThreadNorForThoseThatWait) {
  const auto cache = make();
  Signal asked, go_on;
  KernelCache::Request gives_up = request();
  gives_up.on_miss = [&](const std::string&) {
    asked.give();
    go_on.take();
    return MissDecision::kGiveUp;
  };
  std::thread leader([&] { EXPECT_EQ(cache->get(gives_up, forbidden).entry, nullptr); });
  asked.take();
  std::thread waiter([&] { EXPECT_EQ(cache->get(gives_up, forbidden).entry, nullptr); });
  while (cache->counters().waits == 0) std::this_thread::sleep_for(1ms);  // the test's time limit is the end of it
  go_on.give();
  leader.join();
  waiter.join();
  // Nothing is left of it: the next request compiles.
  EXPECT_EQ(cache->get(request(), compiler()).tier, Tier::kCompiled);
}

TEST_F(KernelCacheTest, AMissIsToldBeforeAnythingIsWaitedFor) {
  const auto cache = make();
  cache->get(request(1), compiler(1));
  // Another process compiles the key: a caller that may not miss must not wait for it either.
  const KeyLock held(directory_ / "compile.lock", sample_fields().key(), 0ms);
  ASSERT_EQ(held.outcome(), KeyLock::Outcome::kHeld);
  KernelCache::Request told = request();
  int misses = 0;
  told.on_miss = [&](const std::string&) -> MissDecision {
    ++misses;
    throw std::domain_error("frozen");
  };
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(cache->get(told, forbidden), std::domain_error);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s) << "it waited for the key lock";
  EXPECT_EQ(misses, 1);
  told.fields = sample_fields(1);
  EXPECT_EQ(cache->get(told, forbidden).tier, Tier::kMemory);
  EXPECT_EQ(make()->get(told, forbidden).tier, Tier::kStore);
  told.recompile = true;
  EXPECT_EQ(cache->get(told, compiler(1)).tier, Tier::kCompiled);
  EXPECT_EQ(misses, 1) << "only what is nowhere is a miss";
  EXPECT_EQ(cache->counters().misses, 2);  // the first get() of this test was also one
  EXPECT_GT(cache->counters().compile_nanoseconds + cache->counters().store_read_nanoseconds, 0);
}

// ---- trouble -------------------------------------------------------------------------------------

TEST_F(KernelCacheTest, StoreThatCannotBeOpenedMeansMemoryAndOneWarning) {
  std::filesystem::create_directory(directory_ / "kernels-v1.sqlite");
  const auto cache = make();
  EXPECT_EQ(cache->store(), nullptr);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cache->get(request(i), compiler(i)).tier, Tier::kCompiled);
  EXPECT_EQ(cache->get(request(2), forbidden).tier, Tier::kMemory);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("memory only")));
  EXPECT_EQ(cache->counters().store_failures, 1);
}

TEST_F(KernelCacheTest, StoreThatCannotBeWrittenStillGivesEntriesAndOneWarning) {
  const auto cache = make();
  // A second connection that holds the file: readers get in, writers do not.
  ASSERT_TRUE(cache->store());
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::owner_all);
  const int result = run_child([&] {
    if (::geteuid() == 0) {
      // Root can write anywhere, so become a user who cannot.
      std::filesystem::permissions(directory_.path(), static_cast<std::filesystem::perms>(0755));
      for (const auto& file : std::filesystem::directory_iterator(directory_.path())) {
        std::filesystem::permissions(file.path(), static_cast<std::filesystem::perms>(0444));
      }
      if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 98;
    } else {
      for (const auto& file : std::filesystem::directory_iterator(directory_.path())) {
        std::filesystem::permissions(file.path(), static_cast<std::filesystem::perms>(0444));
      }
      std::filesystem::permissions(directory_.path(), static_cast<std::filesystem::perms>(0555));
    }
    const auto mine = make();
    if (!mine->store()) return 1;
    for (int i = 0; i < 3; ++i) {
      if (mine->get(request(i), compiler(i)).tier != Tier::kCompiled) return 2;
    }
    if (mine->get(request(0), compiler(0)).tier != Tier::kMemory) return 3;
    if (mine->counters().store_failures != 3) return 4;
    int told = 0;
    for (const std::string& text : warnings_) told += text.find("not kept") != std::string::npos;
    return told == 1 ? 0 : 5;
  });
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::owner_all);
  EXPECT_EQ(result, 0);
}

TEST_F(KernelCacheTest, DirectoryDeletedMeanwhileIsWarnedOfOncePerKind) {
  const auto cache = make();
  std::filesystem::remove_all(directory_.path());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cache->get(request(i), compiler(i)).tier, Tier::kCompiled);
  EXPECT_THAT(warnings_,
              ElementsAre(HasSubstr("compiled again"), HasSubstr("cannot be locked"), HasSubstr("not kept")));
  EXPECT_EQ(cache->counters().store_failures, 9);  // three times: a read, a read under the lock, a write
  EXPECT_EQ(compiles_, 3);
}

TEST_F(KernelCacheTest, LockThatIsNeverFreedIsNotWaitedForForEver) {
  EXPECT_EQ(KernelCacheOptions{}.lock_timeout, 5s);
  Location location;
  location.directory = directory_.path();
  std::vector<std::string> warnings;
  KernelCache cache({.location = location,
                     .warn = [&](const std::string& text) { warnings.push_back(text); },
                     .lock_timeout = 100ms});
  const KeyLock held(directory_ / "compile.lock", sample_fields().key(), 0ms);
  ASSERT_EQ(held.outcome(), KeyLock::Outcome::kHeld);
  const Found found = cache.get(request(), compiler());
  EXPECT_EQ(found.tier, Tier::kCompiled);
  EXPECT_GE(found.seconds, 0.1);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("compiling it here as well")));
  EXPECT_TRUE(cache.store()->find(sample_fields(), {}));
}

}  // namespace
}  // namespace attnjit::cache
