// The cache in a storm: 64 processes of 4 threads on one store that does not exist yet, and SIGKILL at random.
#include "tests/cache/storm.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

TEST(CacheStorm, SixtyFourColdProcessesOfFourThreadsCompileEachKernelOnce) {
  TemporaryDirectory directory;
  const StormOptions options{.directory = directory.path(), .kernels = 6};
  const StormResult result = run_storm(options);
  EXPECT_THAT(look_after_storm(options, result), IsEmpty());
  EXPECT_THAT(result.begun, SizeIs(options.kernels));
  EXPECT_THAT(result.begun, Each(Pair(::testing::_, 1)));
  EXPECT_EQ(result.committed, result.begun);
  EXPECT_EQ(result.served, options.processes * options.threads * options.kernels);
  fmt::print("{} requests in {:.2f} s\n", result.served, result.seconds);
}

void strike(int strikes, unsigned seed) {
  TemporaryDirectory directory;
  const StormOptions options{.directory = directory.path(), .kernels = 8, .strikes = strikes, .seed = seed};
  const StormResult result = run_storm(options);
  EXPECT_THAT(look_after_storm(options, result), IsEmpty());
  // A process that dies while compiling leaves the compile to another; nothing else is a reason to begin one again.
  const auto sum = [](const std::map<int, int>& counts) {
    return std::accumulate(counts.begin(), counts.end(), 0, [](int all, const auto& one) { return all + one.second; });
  };
  const int begun_in_vain = sum(result.begun) - sum(result.committed);
  EXPECT_LE(begun_in_vain, strikes * options.threads);
  EXPECT_GT(result.committed.size(), 5u) << "the storm stood still";
  fmt::print(
      "{} strikes, {} processes of {} threads: {} requests in {:.1f} s, {} kernels kept, {} compiles begun and not "
      "reported as kept, nothing lost\n",
      strikes, options.processes, options.threads, result.served, result.seconds, result.committed.size(),
      begun_in_vain);
}

TEST(CacheStorm, TwentyStrikesLoseNothingThatWasCommitted) { strike(20, 20); }

/// Run with `ctest -L long`.
TEST(CacheStormLong, AThousandStrikesLoseNothingThatWasCommitted) { strike(1000, 1000); }

}  // namespace
}  // namespace attnjit::cache
