// Many processes on one store.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <thread>

#include "cache/kernel_cache.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class KernelCacheProcesses : public ::testing::Test {
 protected:
  KernelCacheOptions options(std::chrono::milliseconds lock_timeout = 20s) const {
    KernelCacheOptions options;
    options.location.directory = directory_.path();
    options.lock_timeout = lock_timeout;
    return options;
  }
  /// A compile that appends a line to a file; lines written with O_APPEND do not overwrite each other.
  KernelCache::Compile compiler(int number, std::chrono::milliseconds duration = 30ms) const {
    return [this, number, duration] {
      const int file = ::open(log_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
      const std::string line = std::to_string(number) + "\n";
      if (::write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
      ::close(file);
      std::this_thread::sleep_for(duration);
      return sample_entry(number);
    };
  }
  /// How often each number was compiled, by all processes together.
  std::map<int, int> compiles() const {
    std::map<int, int> counts;
    std::ifstream file(log_);
    for (int number; file >> number;) ++counts[number];
    return counts;
  }
  static KernelCache::Request request(int number) { return {sample_fields(number), {}, false}; }

  TemporaryDirectory directory_;
  TemporaryDirectory elsewhere_;
  const std::filesystem::path log_ = elsewhere_ / "compiles";
};

TEST_F(KernelCacheProcesses, SixteenColdProcessesCompileEachKernelOnce) {
  constexpr int kProcesses = 16;
  constexpr int kKernels = 5;
  Signal start;
  std::vector<pid_t> children;
  for (int child = 0; child < kProcesses; ++child) {
    children.push_back(start_child(
        [&, child] {
          start.take();
          KernelCache cache(options());  // the file does not exist yet: all of them race to create it
          for (int i = 0; i < kKernels; ++i) {
            const int number = (i + child) % kKernels;
            const Found found = cache.get(request(number), compiler(number));
            if (found.entry->image != sample_entry(number).image) return 1;
          }
          return cache.counters().store_failures + cache.counters().repairs == 0 ? 0 : 2;
        },
        120));
  }
  start.give(kProcesses);
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_THAT(compiles(), SizeIs(kKernels));
  EXPECT_THAT(compiles(), Each(Pair(::testing::_, 1)));
  Store store(directory_.path());
  EXPECT_EQ(store.stat().entries, kKernels);
  EXPECT_THAT(store.verify(), IsEmpty());
}

TEST_F(KernelCacheProcesses, WaitingProcessSaysThatItWaited) {
  Signal compiling;
  const pid_t first = start_child([&] {
    KernelCache cache(options());
    cache.get(request(0), [&] {
      compiling.give();
      return compiler(0, 200ms)();
    });
    return 0;
  });
  compiling.take();
  KernelCache cache(options());
  const Found found = cache.get(request(0), compiler(0));
  EXPECT_EQ(found.tier, Tier::kWaited);
  EXPECT_EQ(cache.counters().waits, 1);
  EXPECT_EQ(cache.counters().compiles, 0);
  EXPECT_EQ(wait_for(first), 0);
  EXPECT_THAT(compiles(), ::testing::ElementsAre(Pair(0, 1)));
}

TEST_F(KernelCacheProcesses, WaiterCompilesWhenTheHolderDiesWithoutAResult) {
  Signal compiling;
  const pid_t first = start_child([&] {
    KernelCache cache(options());
    cache.get(request(0), [&]() -> Entry {
      compiling.give();
      ::usleep(100'000);
      ::_exit(7);
    });
    return 0;
  });
  compiling.take();
  KernelCache cache(options());
  EXPECT_EQ(cache.get(request(0), compiler(0)).tier, Tier::kCompiled);
  EXPECT_EQ(wait_for(first), 7);
}

/// A failure is not passed on to other processes: each tries once, in turn, and gets its own error.
TEST_F(KernelCacheProcesses, FailedCompileIsTriedOnceByEachProcessInTurn) {
  constexpr int kProcesses = 4;
  Signal start, failed, leave;
  std::vector<pid_t> children;
  for (int child = 0; child < kProcesses; ++child) {
    children.push_back(start_child([&, child] {
      KernelCacheOptions mine = options(12s);
      int warnings = 0;
      bool in_turn = true;
      mine.warn = [&](const std::string&) { ++warnings; };
      KernelCache cache(mine);
      const std::string fault = "ptxas says no to " + std::to_string(child);
      start.take();
      int result = 1;
      try {
        cache.get(request(0), [&]() -> Entry {
          const std::filesystem::path alone = elsewhere_ / "alone";
          if (!std::filesystem::create_directory(alone)) in_turn = false;  // another process compiles
          compiler(0, 30ms)();
          std::filesystem::remove(alone);
          throw std::domain_error(fault);
        });
      } catch (const std::domain_error& error) {
        result = error.what() == fault && warnings == 0 && in_turn && cache.counters().compile_failures == 1 ? 0 : 2;
      }
      failed.give();
      leave.take();  // stays alive until all have failed: the lock must not be freed only by the end of a process
      return result;
    }));
  }
  const auto begun = std::chrono::steady_clock::now();
  start.give(kProcesses);
  for (int child = 0; child < kProcesses; ++child) failed.take();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s) << "they waited for a lock that nobody needs";
  KernelCache cache(options());
  EXPECT_EQ(cache.store()->stat().entries, 0);
  EXPECT_EQ(cache.get(request(0), compiler(0)).tier, Tier::kCompiled);
  leave.give(kProcesses);
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_THAT(compiles(), ::testing::ElementsAre(Pair(0, kProcesses + 1)));
}

TEST_F(KernelCacheProcesses, NoTransactionIsHeldDuringACompile) {
  KernelCache cache(options());
  cache.get(request(0), [&] {
    // Another process writes to the store while this one compiles.
    EXPECT_EQ(0, run_child(
                     [&] {
                       KernelCache other(options());
                       return other.get(request(1), compiler(1, 0ms)).tier == Tier::kCompiled ? 0 : 1;
                     },
                     4));
    return sample_entry(0);
  });
  EXPECT_EQ(cache.store()->stat().entries, 2);
}

/// Like a program that creates its cache first and then forks its workers.
TEST_F(KernelCacheProcesses, ForkBeforeUse) {
  KernelCache cache(options());
  const auto use = [&](int own) {
    for (const int number : {own, 100}) {
      const Found found = cache.get(request(number), compiler(number));
      if (found.tier == Tier::kMemory || found.entry->image != sample_entry(number).image) return 1;
      if (cache.get(request(number), compiler(number)).tier != Tier::kMemory) return 2;
    }
    return 0;
  };
  std::vector<pid_t> children;
  for (int child = 0; child < 4; ++child) {
    children.push_back(start_child([&, child] {
      if (const int fault = use(child)) return fault;
      // In addition to the inherited descriptor, which it must not touch, it has opened the file itself.
      return descriptor_flags(directory_ / "kernels-v1.sqlite").size() == 2 ? 0 : 3;
    }));
  }
  EXPECT_EQ(use(4), 0);
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_THAT(compiles(), SizeIs(6));
  EXPECT_THAT(compiles(), Each(Pair(::testing::_, 1)));
  EXPECT_EQ(cache.counters().store_failures + cache.counters().repairs, 0);
  EXPECT_EQ(cache.store()->stat().entries, 6);
  EXPECT_THAT(cache.store()->verify(), IsEmpty());
}

TEST_F(KernelCacheProcesses, ForkAfterUse) {
  KernelCache cache(options());
  cache.get(request(0), compiler(0));
  ASSERT_EQ(0, run_child([&] {
              if (cache.get(request(0), compiler(0)).tier != Tier::kStore) return 1;
              if (cache.get(request(1), compiler(1)).tier != Tier::kCompiled) return 2;
              return cache.get(request(1), compiler(1)).tier == Tier::kMemory ? 0 : 3;
            }));
  EXPECT_EQ(cache.get(request(0), compiler(0)).tier, Tier::kMemory);
  EXPECT_EQ(cache.get(request(1), compiler(1)).tier, Tier::kStore);
  EXPECT_EQ(cache.get(request(2), compiler(2)).tier, Tier::kCompiled);
  EXPECT_THAT(compiles(), Each(Pair(::testing::_, 1)));
  EXPECT_THAT(cache.store()->verify(), IsEmpty());
}

/// The child's table says that a thread which does not exist there is compiling.
TEST_F(KernelCacheProcesses, ForkDuringACompileDoesNotHangTheChild) {
  KernelCache cache(options(200ms));
  Signal compiling, leave;
  std::thread thread([&] {
    cache.get(request(0), [&] {
      compiling.give();
      leave.take();
      return sample_entry(0);
    });
  });
  compiling.take();
  const pid_t child =
      start_child([&] { return cache.get(request(0), compiler(0, 0ms)).tier == Tier::kCompiled ? 0 : 1; }, 10);
  EXPECT_EQ(wait_for(child), 0);
  leave.give();
  thread.join();
  EXPECT_EQ(cache.get(request(0), compiler(0)).tier, Tier::kMemory);
}

TEST_F(KernelCacheProcesses, WithoutAStoreNobodyWaitsForAnother) {
  std::filesystem::create_directory(directory_ / "kernels-v1.sqlite");  // cannot be opened
  constexpr int kProcesses = 3;
  const auto inside = [&] {
    int count = 0;
    for (int i = 0; i < kProcesses; ++i) count += std::filesystem::exists(elsewhere_.path() / std::to_string(i));
    return count;
  };
  std::vector<pid_t> children;
  for (int child = 0; child < kProcesses; ++child) {
    children.push_back(start_child([&, child] {
      KernelCacheOptions options;
      options.location.directory = directory_.path();
      KernelCache cache(options);
      if (cache.store()) return 1;
      bool all_at_once = false;
      cache.get(request(0), [&] {
        std::filesystem::create_directory(elsewhere_.path() / std::to_string(child));
        for (int pause = 0; pause < 1000 && !all_at_once; ++pause) {
          all_at_once = inside() == kProcesses;
          ::usleep(5'000);
        }
        return sample_entry(0);
      });
      return all_at_once ? 0 : 2;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0) << "2: it had to wait for another's compile";
  EXPECT_FALSE(std::filesystem::exists(directory_ / "compile.lock"));
}

}  // namespace
}  // namespace attnjit::cache
