// A store that cannot be opened, or not used as intended: problems that may pass are retried, and rows are read all the
// same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "cache/kernel_cache.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LateStoreTest : public ::testing::Test {
 protected:
  static KernelCache::Request request(int number = 0) {
    KernelCache::Request result;
    result.fields = sample_fields(number);
    return result;
  }
  static KernelCache::Compile compiler(int number) {
    return [number] { return sample_entry(number); };
  }
  TemporaryDirectory directory_;
  std::vector<std::string> warnings_;
};

TEST_F(LateStoreTest, StoreThatCouldNotBeOpenedIsTriedAgainLater) {
  const std::filesystem::path obstacle = directory_ / "kernels-v1.sqlite";
  std::filesystem::create_directory(obstacle);
  KernelCacheOptions options;
  options.location.directory = directory_.path();
  options.warn = [this](const std::string& text) { warnings_.push_back(text); };
  options.open_pause = 20ms;
  KernelCache cache(options);
  std::string trouble;
  KernelCache::Request told = request(0);
  told.on_miss = [&](const std::string& why) {
    trouble = why;
    return MissDecision::kCompile;
  };
  EXPECT_EQ(cache.get(told, compiler(0)).tier, Tier::kCompiled);
  EXPECT_THAT(trouble, HasSubstr("is not a regular file"));
  std::filesystem::remove(obstacle);
  while (!cache.store()) std::this_thread::sleep_for(1ms);  // ended by the test's time limit at the latest
  EXPECT_EQ(cache.get(request(1), compiler(1)).tier, Tier::kCompiled);
  EXPECT_TRUE(cache.store()->find(sample_fields(1), {}));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("memory only"))) << "once, however often it was tried";
}

TEST_F(LateStoreTest, PlaceThatCouldNotBeHadIsLookedForAgainLater) {
  KernelCacheOptions options;
  options.location.reason = "memory only, because the disk is not there yet";
  options.location.rejected = {"XDG_CACHE_HOME: it is not mounted"};
  int asked = 0;
  options.locate = [&] {
    Location found = options.location;
    if (++asked > 1) found.directory = directory_.path();
    return found;
  };
  options.warn = [this](const std::string& text) { warnings_.push_back(text); };
  options.open_pause = 20ms;
  KernelCache cache(options);
  EXPECT_EQ(asked, 0) << "the first place is the one that was given";
  EXPECT_EQ(cache.store(), nullptr);
  EXPECT_EQ(asked, 0) << "it was tried again at once";
  while (!cache.store()) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(cache.counters().store_failures, 2);
  EXPECT_EQ(cache.store()->path().parent_path(), directory_.path());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("is not mounted")));
}

TEST_F(LateStoreTest, MemoryOnlyThatWasAskedForIsNoTroubleAndIsNotTriedAgain) {
  KernelCacheOptions options;
  options.locate = [] {
    ADD_FAILURE() << "nobody wants a place";
    return Location{};
  };
  options.open_pause = 0ms;
  KernelCache cache(options);
  std::string trouble = "none";
  KernelCache::Request told = request(0);
  told.on_miss = [&](const std::string& why) {
    trouble = why;
    return MissDecision::kCompile;
  };
  cache.get(told, compiler(0));
  EXPECT_EQ(trouble, "");
  EXPECT_EQ(cache.store(), nullptr);
}

TEST_F(LateStoreTest, AFileThatCannotBeUsedUnderLocksIsReadWithoutThem) {
  Store(directory_.path()).put(sample_entry());
  // SQLite finds a journal that it cannot open.
  std::filesystem::create_directory(directory_ / "kernels-v1.sqlite-journal");
  KernelCacheOptions options;
  options.location.directory = directory_.path();
  options.warn = [this](const std::string& text) { warnings_.push_back(text); };
  KernelCache cache(options);
  const Found found = cache.get(request(), [] { return sample_entry(1); });
  EXPECT_EQ(found.tier, Tier::kStore);
  expect_same(*found.entry, sample_entry());
  EXPECT_FALSE(std::filesystem::exists(directory_ / "kernels-v1.sqlite.bad"));
}

TEST_F(LateStoreTest, AnOpenStoreThatCannotBeUsedUnderLocksIsReadWithoutThem) {
  {
    Store store(directory_.path());
    for (const int number : {0, 1}) store.put(sample_entry(number));
  }
  KernelCacheOptions options;
  options.location.directory = directory_.path();
  options.warn = [this](const std::string& text) { warnings_.push_back(text); };
  KernelCache cache(options);
  EXPECT_EQ(cache.get(request(0), compiler(0)).tier, Tier::kStore);
  EXPECT_TRUE(warnings_.empty());
  std::filesystem::create_directory(directory_ / "kernels-v1.sqlite-journal");
  const Found found = cache.get(request(1), compiler(2));
  EXPECT_EQ(found.tier, Tier::kStore);
  expect_same(*found.entry, sample_entry(1));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("kernels are read from it without locks")));
}

}  // namespace
}  // namespace attnjit::cache
