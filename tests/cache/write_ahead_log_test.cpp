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

}  // namespace
}  // namespace attnjit::cache
