// Another program has switched the store to a write-ahead log.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "cache/sqlite.h"
#include "cache/store.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using ::testing::IsEmpty;

TEST(WriteAheadLog, SwitchedOnLaterIsLeft) {
  TemporaryDirectory directory;
  const std::filesystem::path file = directory / "kernels-v1.sqlite";
  std::vector<std::string> reports;
  Store store(directory.path(), [&](const std::string& report) { reports.push_back(report); });
  store.put(sample_entry(1));
  ASSERT_TRUE(store.find(sample_fields(1), {}));
  Database(file, std::chrono::milliseconds(0)).execute("PRAGMA journal_mode = WAL");
  EXPECT_TRUE(store.find(sample_fields(1), {}));
  store.put(sample_entry(11));
  EXPECT_TRUE(store.find(sample_fields(11), {}));
  std::ifstream bytes(file, std::ios::binary);
  bytes.seekg(18);
  EXPECT_EQ(bytes.get(), 1) << "1 is rollback journal, 2 is WAL";
  EXPECT_FALSE(std::filesystem::exists(directory / "kernels-v1.sqlite-wal"));
  EXPECT_THAT(reports, IsEmpty());
}

TEST(WriteAheadLog, ThatCannotBeLeftIsReadBeside) {
  TemporaryDirectory directory;
  const std::filesystem::path file = directory / "kernels-v1.sqlite";
  Store before(directory.path());
  before.put(sample_entry(1));
  Database other(file, std::chrono::milliseconds(0));
  other.execute("PRAGMA journal_mode = WAL");
  other.execute("BEGIN");
  ASSERT_EQ(other.integer("SELECT count(*) FROM kernels"), 1);
  Store after(directory.path());
  for (Store* store : {&before, &after}) {
    for (int round = 0; round < 2; ++round) {
      WaitBudget budget(std::chrono::seconds(1));
      const Lookup found = store->look_up(sample_fields(1), {}, budget);
      EXPECT_TRUE(found.entry);
      EXPECT_THROW(store->put(sample_entry(11)), StoreError);
    }
  }
  other.execute("COMMIT");
  EXPECT_EQ(other.integer("SELECT count(*) FROM kernels"), 1);
}

/// In each statement, SQLite would wait 10 s for such shared memory to be repaired.
TEST(WriteAheadLog, OfGarbageIsWaitedForByNobody) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry(1));
  const std::string garbage(40'000, '\x5a');
  for (const char* name : {"kernels-v1.sqlite-wal", "kernels-v1.sqlite-shm"}) {
    std::ofstream(directory / name) << garbage;
    std::filesystem::permissions(directory / name, std::filesystem::perms(0600));
  }
  // Holds the kind of lock that a program with an open log holds.
  Database other(directory / "kernels-v1.sqlite", std::chrono::milliseconds(0));
  const auto start = WaitBudget::Clock::now();
  for (int number = 1; number < 4; ++number) {
    WaitBudget budget(std::chrono::milliseconds(500));
    EXPECT_EQ(store.look_up(sample_fields(number), {}, budget).entry.has_value(), number == 1);
  }
  EXPECT_LT(WaitBudget::Clock::now() - start, std::chrono::seconds(4));
  store.put(sample_entry(11));
  EXPECT_TRUE(store.find(sample_fields(11), {}));
}

}  // namespace
}  // namespace attnjit::cache
