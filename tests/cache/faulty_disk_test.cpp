// Each change that the store makes on the disk fails in turn, or is the last one its process makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "cache/kernel_cache.h"
#include "tests/cache/faulty_disk.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kStored = 5;  // kernels 0 to 4 are stored before the trouble begins
constexpr std::size_t kBytes = 60'000;
constexpr std::int64_t kCap = 320 * 1024;  // the five fit; with a sixth, some have to go
constexpr std::size_t kPageBytes = 4096;
enum class Before {
  kNothing,
  kStore,
  kFullStore,     // a put makes it larger than its cap
  kDamagedStore,  // all but the header is garbage: the first find sets the file aside
};

class FaultyDiskTest : public ::testing::TestWithParam<Before> {
 protected:
  FaultyDiskTest() { FaultyDisk::install(); }
  ~FaultyDiskTest() override { FaultyDisk::heal(); }

  /// A folder in its state before one round of a test.
  struct Round {
    TemporaryDirectory directory;
    explicit Round(Before before) {
      if (before == Before::kNothing) return;
      Store store(directory.path());
      for (int number = 0; number < kStored; ++number) store.put(sample_entry(number, kNewCompiler, kBytes));
      if (before == Before::kDamagedStore) {
        EXPECT_EQ(0, run_child([&] { return overwrite(store.path()), 0; }));
      }
    }
    static void overwrite(const std::filesystem::path& path) {
      std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(kPageBytes) << std::string(std::filesystem::file_size(path) - kPageBytes, 'U');
    }
  };

  std::unique_ptr<KernelCache> open(const std::filesystem::path& directory) {
    KernelCacheOptions options;
    options.location.directory = directory;
    if (GetParam() == Before::kFullStore) options.max_bytes = kCap;
    options.warn = [this](const std::string& text) { ++warnings_[text.substr(text.rfind("; "))]; };
    return std::make_unique<KernelCache>(std::move(options));
  }
  static KernelCache::Request request(int number) { return {sample_fields(number), {}, false}; }
  static KernelCache::Compile compiler(int number) {
    return [number] { return sample_entry(number, kNewCompiler, kBytes); };
  }
  static void expect_served(KernelCache& cache, int number) {
    EXPECT_EQ(cache.get(request(number), compiler(number)).entry->image, compiler(number)().image);
  }
  /// The next process finds everything that was ever kept, and nothing that does not belong there.
  static void expect_sound(const std::filesystem::path& directory) {
    const Before before = GetParam();
    if (before == Before::kFullStore) {
      EXPECT_LE(std::filesystem::file_size(directory / Store::file_name()), kCap);
    }
    std::vector<std::string> reports;
    Store store(directory, [&](const std::string& report) { reports.push_back(report); });
    EXPECT_THAT(store.verify(), IsEmpty());
    int lost = 0;
    for (int number = 0; number < kStored; ++number) {
      const std::optional<Entry> found = store.find(sample_fields(number), {});
      if (found) {
        EXPECT_EQ(found->image, compiler(number)().image);
      }
      if (!found) {
        EXPECT_EQ(lost++, number) << "an older one was kept";
      }
    }
    if (before == Before::kStore) {
      EXPECT_EQ(lost, 0);
    }
    store.put(sample_entry(99));
    EXPECT_TRUE(store.find(sample_fields(99), {}));
    EXPECT_THAT(reports, IsEmpty());
    std::set<std::string> names = names_in(directory);
    names.erase("compile.lock");
    if (before == Before::kDamagedStore) {
      EXPECT_EQ(names.erase("kernels-v1.sqlite.bad"), 1u);
    }
    EXPECT_THAT(names, ElementsAre("kernels-v1.lock", "kernels-v1.sqlite"));
  }

  std::map<std::string, int> warnings_;  // by the consequence of the trouble
};

TEST_P(FaultyDiskTest, NoSpaceAtEveryWriteInTurn) {
  for (const Strike strike : {Strike::kFullOnce, Strike::kFullFromThen}) {
    int rounds = 0;
    for (bool struck = true; struck; ++rounds) {
      SCOPED_TRACE(::testing::Message() << "strike " << static_cast<int>(strike) << " at change " << rounds + 1);
      const Round round(GetParam());
      warnings_.clear();
      FaultyDisk::strike_at(rounds + 1, strike);
      const auto cache = open(round.directory.path());
      expect_served(*cache, 10);
      expect_served(*cache, 11);
      struck = FaultyDisk::struck();
      FaultyDisk::heal();
      EXPECT_EQ(cache->get(request(10), compiler(10)).tier, Tier::kMemory);
      EXPECT_EQ(cache->counters().store_failures > 0, struck);
      const bool repaired = GetParam() == Before::kDamagedStore;
      EXPECT_EQ(cache->counters().repairs > 0, repaired);
      EXPECT_EQ(warnings_.size() > (repaired ? 1u : 0u), struck);
      if (!struck) {
        EXPECT_EQ(cache->store()->counters().evicted_rows > 0, GetParam() == Before::kFullStore);
      }
      for (const auto& [consequence, times] : warnings_) EXPECT_EQ(times, 1) << consequence;
      // This same cache recovers once there is space again; one that found no file to open stays in memory.
      expect_served(*cache, 12);
      EXPECT_TRUE(!cache->store() || cache->store()->find(sample_fields(12), {}));
      expect_sound(round.directory.path());
      if (HasFailure()) return;
    }
    EXPECT_GT(rounds, 20) << "the disk was hardly written to: is it still the one that SQLite uses?";
  }
}

TEST_P(FaultyDiskTest, KilledAtEveryWriteInTurn) {
  int rounds = 0;
  for (int status = FaultyDisk::kExitStatus; status == FaultyDisk::kExitStatus; ++rounds) {
    SCOPED_TRACE(::testing::Message() << "killed at change " << rounds + 1);
    const Round round(GetParam());
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    status = run_child([&] {
      FaultyDisk::strike_at(rounds + 1, Strike::kDie);
      const auto cache = open(round.directory.path());
      for (char number = 10; number < 12; ++number) {
        expect_served(*cache, number);
        if (::write(ends[1], &number, 1) != 1) return 1;
      }
      return 0;
    });
    ::close(ends[1]);
    EXPECT_THAT(status, AnyOf(0, FaultyDisk::kExitStatus));
    expect_sound(round.directory.path());
    Store store(round.directory.path());
    for (char number; ::read(ends[0], &number, 1) == 1;) {
      const std::optional<Entry> found = store.find(sample_fields(number), {});
      ASSERT_TRUE(found) << "kernel " << int{number} << " was committed and is lost";
      EXPECT_EQ(found->image, compiler(number)().image);
    }
    ::close(ends[0]);
    if (HasFailure()) return;
  }
  EXPECT_GT(rounds, 20);
}

/// Without locks, another process may repair the file between our look at it and our repair. The file of that name is
/// then a different one and must not be set aside.
TEST(FaultyDiskRace, AFileReplacedAfterTheLookIsNotSetAside) {
  FaultyDisk::install();
  TemporaryDirectory directory;
  const std::filesystem::path file = directory / "kernels-v1.sqlite";
  std::ofstream(file) << std::string(20'000, 'x');
  bool replaced = false;
  FaultyDisk::after_close(3, [&] {  // the third look is the last one, under the lock
    replaced = true;
    std::filesystem::rename(file, directory / "away");
    std::ofstream(file) << "the other process's";
  });
  try {
    Store store(directory.path());
    ADD_FAILURE() << "the other process's file was replaced";
  } catch (const StoreError& error) {
    EXPECT_THAT(error.what(), HasSubstr("was replaced while"));
  }
  FaultyDisk::heal();
  EXPECT_TRUE(replaced);
  EXPECT_FALSE(std::filesystem::exists(directory / "kernels-v1.sqlite.bad"));
  EXPECT_EQ(std::filesystem::file_size(file), 19u);
}

constexpr Before kAll[] = {Before::kNothing, Before::kStore, Before::kFullStore, Before::kDamagedStore};
constexpr const char* kNames[] = {"FirstStart", "StoreOfFive", "Eviction", "Repair"};
INSTANTIATE_TEST_SUITE_P(, FaultyDiskTest, ::testing::ValuesIn(kAll),
                         [](const auto& instance) { return kNames[static_cast<int>(instance.param)]; });

}  // namespace
}  // namespace attnjit::cache
