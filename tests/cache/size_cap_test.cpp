// The store's size cap, the use stamps that decide what is evicted, and garbage collection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <ctime>
#include <set>
#include <thread>

#include "attnjit/error.hpp"
#include "cache/kernel_cache.h"
#include "cache/size_limit.h"
#include "cache/store.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kKiB = 1024;

std::int64_t size_of(const std::filesystem::path& path) {
  return static_cast<std::int64_t>(std::filesystem::file_size(path));
}

/// Samples are created in the order of their numbers, so the stamps of new rows are in that order too.
std::set<int> numbers_in(Store& store, int up_to) {
  std::set<int> numbers;
  for (int i = 0; i < up_to; ++i) {
    if (store.find(sample_fields(i), {})) numbers.insert(i);
  }
  return numbers;
}

std::set<int> range(int first, int end) {
  std::set<int> numbers;
  for (int i = first; i < end; ++i) numbers.insert(i);
  return numbers;
}

Entry large_entry(int number) { return sample_entry(number, kNewCompiler, 100 * kKiB); }

std::int64_t last_used(Store& store, int number) { return store.find(sample_fields(number), {})->last_used_unix; }

// ---- sizes as text

TEST(SizeLimit, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parse_size("x", "0"), kUnlimited);
  EXPECT_EQ(parse_size("x", "12345"), 12345);
  EXPECT_EQ(parse_size("x", "500M"), 500 * kKiB * kKiB);
  EXPECT_EQ(parse_size("x", "2G"), 2 * kKiB * kKiB * kKiB);
  EXPECT_EQ(parse_size("x", "1.5g"), 3 * kKiB * kKiB * kKiB / 2);
  EXPECT_EQ(parse_size("x", "64KiB"), 64 * kKiB);
  EXPECT_EQ(parse_size("x", "1TB"), kKiB * kKiB * kKiB * kKiB);
}

TEST(SizeLimit, RefusesEverythingElseByName) {
  for (const char* text : {"", "G", "-1", "2X", "2 G", "2GG", "1e3", "nan", "inf", "0x10", "99999999T", "2Gi"}) {
    try {
      const std::int64_t bytes = parse_size("--max-size", text);
      FAIL() << text << " was read as " << bytes;
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kInvalidArgument);
      EXPECT_THAT(error.what(), AllOf(HasSubstr("--max-size is \"" + std::string(text) + "\""), HasSubstr("2G")));
    }
  }
}

TEST(SizeLimit, ComesFromTheEnvironmentOrIsTwoGiB) {
  const auto environment = [](std::optional<std::string> value) {
    return [value](const char* name) {
      return name == std::string("ATTNJIT_CACHE_MAX_SIZE") ? value : std::optional<std::string>();
    };
  };
  EXPECT_EQ(max_bytes_of_environment(environment(std::nullopt)), 2 * kKiB * kKiB * kKiB);
  EXPECT_EQ(max_bytes_of_environment(environment("")), kDefaultMaxBytes);
  EXPECT_EQ(max_bytes_of_environment(environment("10M")), 10 * kKiB * kKiB);
  EXPECT_EQ(max_bytes_of_environment(environment("0")), kUnlimited);
  EXPECT_THROW(max_bytes_of_environment(environment("lots")), Error);
}

// ---- the cap

TEST(SizeCap, TheWriterThatExceedsItDeletesTheLeastRecentlyUsedAndTheFileShrinks) {
  TemporaryDirectory directory;
  Store store(directory.path(), {}, 1000 * kKiB);
  std::int64_t largest = 0;
  for (int i = 0; i < 40; ++i) {
    store.put(large_entry(i));
    largest = std::max(largest, size_of(store.path()));
  }
  EXPECT_LE(largest, 1000 * kKiB) << "the file was larger than the cap after a put()";
  EXPECT_GT(largest, 800 * kKiB) << "much less was kept than the cap allows";
  const std::set<int> left = numbers_in(store, 40);
  EXPECT_GE(left.size(), 7u);
  EXPECT_EQ(left, range(40 - static_cast<int>(left.size()), 40)) << "not the oldest went";
  EXPECT_EQ(store.counters().evicted_rows, 40 - static_cast<std::int64_t>(left.size()));
  EXPECT_THAT(store.verify(), IsEmpty());
}

TEST(SizeCap, AnEvictionGoesDownToALowWaterMark) {
  TemporaryDirectory directory;
  Store store(directory.path(), {}, 2000 * kKiB);
  std::int64_t evictions = 0;
  for (int i = 0; i < 60; ++i) {
    const std::int64_t before = store.counters().evicted_rows;
    store.put(large_entry(i));
    if (store.counters().evicted_rows == before) continue;
    ++evictions;
    EXPECT_LE(size_of(store.path()), 1750 * kKiB);
    EXPECT_GE(store.counters().evicted_rows - before, 2) << "every further put would evict again";
  }
  EXPECT_GE(evictions, 5);
}

TEST(SizeCap, NothingGoesWithoutALimitOrBelowIt) {
  TemporaryDirectory directory;
  {
    Store store(directory.path(), {}, kUnlimited);
    for (int i = 0; i < 20; ++i) store.put(large_entry(i));
    EXPECT_EQ(store.counters().evicted_rows, 0);
  }
  Store store(directory.path(), {}, 10'000 * kKiB);
  store.put(large_entry(20));
  EXPECT_EQ(numbers_in(store, 21), range(0, 21));
}

TEST(SizeCap, ARowThatIsTooLargeAloneIsStillKept) {
  TemporaryDirectory directory;
  Store store(directory.path(), {}, 10 * kKiB);
  for (int i = 0; i < 3; ++i) {
    store.put(large_entry(i));
    EXPECT_EQ(numbers_in(store, 3), (std::set<int>{i}));
  }
}

TEST(SizeCap, AStoreFilledWithoutOneShrinksAtTheNextWrite) {
  TemporaryDirectory directory;
  {
    Store unlimited(directory.path(), {}, kUnlimited);
    for (int i = 0; i < 30; ++i) unlimited.put(large_entry(i));
  }
  Store store(directory.path(), {}, 500 * kKiB);
  EXPECT_EQ(store.stat().entries, 30) << "reading deletes nothing";
  store.put(large_entry(30));
  EXPECT_LE(size_of(store.path()), 500 * kKiB);
  EXPECT_EQ(numbers_in(store, 31), range(27, 31));
}

// ---- use stamps

TEST(UseStamps, WhatIsUsedStays) {
  TemporaryDirectory directory;
  Store store(directory.path(), {}, 1000 * kKiB);
  for (int i = 0; i < 9; ++i) store.put(large_entry(i));
  store.note_use(*store.find(sample_fields(0), {}));
  store.note_use(*store.find(sample_fields(2), {}));
  store.put(large_entry(9));  // writes the stamps first
  store.put(large_entry(10));
  const std::set<int> left = numbers_in(store, 11);
  EXPECT_TRUE(left.contains(0));
  EXPECT_FALSE(left.contains(1));
  EXPECT_TRUE(left.contains(2));
}

TEST(UseStamps, AHitWritesNothing) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry());
  const auto written = std::filesystem::last_write_time(store.path());
  for (int i = 0; i < 100; ++i) store.note_use(*store.find(sample_fields(), {}));
  EXPECT_EQ(std::filesystem::last_write_time(store.path()), written);
  EXPECT_EQ(last_used(store, 0), sample_entry().created_unix);
}

TEST(UseStamps, AreWrittenWhenAskedForAndWhenTheStoreIsClosed) {
  TemporaryDirectory directory;
  const std::int64_t start = std::time(nullptr);
  Store watcher(directory.path());
  for (int i = 0; i < 3; ++i) watcher.put(sample_entry(i));
  {
    Store store(directory.path());
    store.note_use(*store.find(sample_fields(0), {}));
    store.flush_uses();
    EXPECT_GE(last_used(watcher, 0), start);
    store.note_use(*store.find(sample_fields(1), {}));
    EXPECT_LT(last_used(watcher, 1), start);
  }
  EXPECT_GE(last_used(watcher, 1), start);
  EXPECT_LT(last_used(watcher, 2), start) << "was not used";
  EXPECT_THAT(watcher.verify(), IsEmpty()) << "a stamp is not under the checksum";
}

TEST(UseStamps, ARecentStampIsNotWrittenAgain) {
  TemporaryDirectory directory;
  Store store(directory.path());
  Entry entry = sample_entry();
  entry.created_unix = std::time(nullptr) - 600;
  store.put(entry);
  const auto written = std::filesystem::last_write_time(store.path());
  store.note_use(*store.find(entry.fields, {}));
  store.flush_uses();
  EXPECT_EQ(std::filesystem::last_write_time(store.path()), written);
}

TEST(UseStamps, OneOfManyProcessesThatUseARowWritesItsStamp) {
  TemporaryDirectory directory;
  Store first(directory.path());
  Store second(directory.path());
  first.put(sample_entry());
  const Entry old = *first.find(sample_fields(), {});
  first.note_use(old);
  first.flush_uses();
  const std::int64_t stamp = last_used(first, 0);
  ASSERT_GT(stamp, old.last_used_unix);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // stamps have a resolution of one second
  second.note_use(old);
  second.flush_uses();
  EXPECT_EQ(last_used(first, 0), stamp);
}

TEST(UseStamps, OfAKilledProcessAreLostAndNothingElse) {
  TemporaryDirectory directory;
  Store(directory.path()).put(sample_entry());
  const int result = run_child([&] {
    Store store(directory.path());
    store.put(sample_entry(1));
    store.note_use(*store.find(sample_fields(0), {}));
    ::raise(SIGKILL);
    return 0;
  });
  EXPECT_EQ(result, 1000 + SIGKILL);
  Store store(directory.path());
  EXPECT_EQ(last_used(store, 0), sample_entry(0).created_unix);
  EXPECT_EQ(numbers_in(store, 2), range(0, 2));
  EXPECT_THAT(store.verify(), IsEmpty());
}

TEST(UseStamps, OfADeletedStoreDoNotBringItBack) {
  TemporaryDirectory directory;
  {
    Store store(directory.path());
    store.put(sample_entry());
    store.note_use(*store.find(sample_fields(), {}));
    std::filesystem::remove(store.path());
  }
  EXPECT_FALSE(std::filesystem::exists(directory.path() / Store::file_name()));
}

TEST(UseStamps, HitsOfAKernelCacheAreStamped) {
  TemporaryDirectory directory;
  Store watcher(directory.path());
  watcher.put(sample_entry());
  Location location;
  location.directory = directory.path();
  KernelCache cache({.location = location, .warn = {}});
  EXPECT_EQ(cache.get({sample_fields(), {}, false}, [] { return sample_entry(); }).tier, Tier::kStore);
  const std::int64_t before = last_used(watcher, 0);
  cache.flush_uses();
  EXPECT_GT(last_used(watcher, 0), before);
}

// ---- clocks that jump

TEST(UseStamps, OneOfTheFutureCountsAsOld) {
  TemporaryDirectory directory;
  Store store(directory.path(), {}, 400 * kKiB);
  const std::int64_t now = std::time(nullptr);
  for (const int number : {1, 2, 3}) {
    Entry entry = large_entry(number);
    entry.created_unix = now - 100 + number;
    if (number == 2) entry.created_unix = now + 1'000'000;  // its machine's clock was wrong
    store.put(entry);
  }
  Entry used = *store.find(sample_fields(2), {});
  ASSERT_GT(used.last_used_unix, now + 900'000);
  {
    Store other(directory.path());
    other.note_use(used);  // written when the store is closed
  }
  EXPECT_LT(last_used(store, 2), now + 1000) << "a stamp of the future was never taken back";

  Entry future = large_entry(3);
  future.created_unix = now + 1'000'000;
  store.put(future);
  store.put(large_entry(4));
  EXPECT_EQ(numbers_in(store, 10), (std::set{1, 2, 4})) << "the row of the future was to go first";
  store.put(future);
  EXPECT_EQ(store.collect_garbage(kUnlimited, now - 1000).unused_rows, 1);
  EXPECT_EQ(numbers_in(store, 10), (std::set{1, 2})) << "its stamp is no sign of use";
}

// ---- garbage collection

TEST(CollectGarbage, DeletesByAgeThenBySizeAndGivesPagesBack) {
  TemporaryDirectory directory;
  Store store(directory.path());
  for (int i = 0; i < 20; ++i) store.put(large_entry(i));
  const std::int64_t before = size_of(store.path());
  const GarbageReport report = store.collect_garbage(1000 * kKiB, sample_entry(5).created_unix);
  EXPECT_EQ(report.unused_rows, 5);
  EXPECT_EQ(report.bytes_before, before);
  EXPECT_EQ(report.bytes_after, size_of(store.path()));
  EXPECT_LE(report.bytes_after, 1000 * kKiB);
  const std::set<int> left = numbers_in(store, 20);
  EXPECT_EQ(static_cast<std::int64_t>(left.size()), 20 - report.unused_rows - report.evicted_rows);
  EXPECT_EQ(left, range(20 - static_cast<int>(left.size()), 20));
  EXPECT_THAT(store.verify(), IsEmpty());
}

TEST(CollectGarbage, ShortensAFileWithFreePagesWithoutDeletingRows) {
  TemporaryDirectory directory;
  Store store(directory.path());
  for (int i = 0; i < 10; ++i) store.put(large_entry(i));
  for (int i = 0; i < 8; ++i) store.erase(sample_fields(i).key(), kNewCompiler);
  const GarbageReport report = store.collect_garbage(kUnlimited, std::nullopt);
  EXPECT_EQ(report.unused_rows + report.evicted_rows, 0);
  EXPECT_LT(report.bytes_after, report.bytes_before / 2);
  EXPECT_EQ(numbers_in(store, 10), range(8, 10));
}

}  // namespace
}  // namespace attnjit::cache
