// Every kind of damage, done to the file by hand, and how the store handles it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>

#include "cache/row.h"
#include "cache/store.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Overwrites the same inode, as a failing disk or a careless program would.
void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// Runs in a child process with its own connection, like a person with the sqlite3 command.
void run_sql(const std::filesystem::path& path, const std::string& sql) {
  ASSERT_EQ(0, run_child([&] {
              sqlite3* database = nullptr;
              if (sqlite3_open(path.c_str(), &database) != SQLITE_OK) return 1;
              const int code = sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr);
              sqlite3_close(database);
              return code == SQLITE_OK ? 0 : 2;
            }))
      << sql;
}

std::string random_bytes(std::size_t count) {
  std::mt19937 random(7);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class StoreRepair : public ::testing::Test {
 protected:
  StoreRepair() {
    Store store(directory_.path());
    for (int number = 0; number < 10; ++number) store.put(sample_entry(number));
  }

  Store open() {
    return Store(directory_.path(), [this](const std::string& report) { reports_.push_back(report); });
  }
  /// The old file is kept aside, the store works, and this was reported once.
  void expect_started_anew(Store& store) {
    EXPECT_THAT(reports_, ElementsAre(HasSubstr("damaged")));
    EXPECT_TRUE(std::filesystem::exists(bad_));
    EXPECT_EQ(store.stat().entries, 0);
    store.put(sample_entry(1));
    EXPECT_TRUE(Store(directory_.path()).find(sample_fields(1), {}));
    EXPECT_THAT(store.verify(), IsEmpty());
    EXPECT_THAT(reports_, SizeIs(1));
  }

  TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_ / "kernels-v1.sqlite";
  const std::filesystem::path bad_ = directory_ / "kernels-v1.sqlite.bad";
  std::vector<std::string> reports_;
};

TEST_F(StoreRepair, SoundFileIsLeftAlone) {
  const std::string before = read_file(file_);
  Store store = open();
  EXPECT_EQ(store.stat().entries, 10);
  EXPECT_THAT(store.verify(), IsEmpty());
  EXPECT_THAT(reports_, IsEmpty());
  EXPECT_TRUE(read_file(file_) == before);
}

TEST_F(StoreRepair, GarbageIsSetAside) {
  const std::string garbage = random_bytes(20'000);
  write_file(file_, garbage);
  Store store = open();
  expect_started_anew(store);
  EXPECT_TRUE(read_file(bad_) == garbage);
}

TEST_F(StoreRepair, ShortTextIsSetAside) {
  write_file(file_, "not a database\n");
  Store store = open();
  expect_started_anew(store);
}

TEST_F(StoreRepair, TruncatedFileIsSetAside) {
  const std::string whole = read_file(file_);
  for (const std::size_t size : {whole.size() / 2, whole.size() - 4096, std::size_t{100}}) {
    SCOPED_TRACE(size);
    reports_.clear();
    std::filesystem::remove(bad_);
    write_file(file_, whole.substr(0, size));
    Store store = open();
    expect_started_anew(store);
  }
}

TEST_F(StoreRepair, EmptyFileIsFilledInPlace) {
  write_file(file_, "");
  Store store = open();
  EXPECT_THAT(reports_, ElementsAre(HasSubstr("was empty")));
  store.put(sample_entry(1));
  EXPECT_TRUE(Store(directory_.path()).find(sample_fields(1), {}));
  EXPECT_FALSE(std::filesystem::exists(bad_));
}

TEST_F(StoreRepair, DatabaseOfAnotherProgramIsSetAside) {
  std::filesystem::remove(file_);
  run_sql(file_, "CREATE TABLE kernels(x); INSERT INTO kernels VALUES(1)");
  Store store = open();
  expect_started_anew(store);
}

TEST_F(StoreRepair, TableOfOursInAnotherProgramsDatabaseIsSetAside) {
  run_sql(file_, "PRAGMA application_id = 1");
  Store store = open();
  expect_started_anew(store);
}

TEST_F(StoreRepair, TableOfAnotherFormIsSetAside) {
  run_sql(file_, "ALTER TABLE kernels ADD COLUMN surprise");
  Store store = open();
  expect_started_anew(store);
}

TEST_F(StoreRepair, OlderSchemaUnderOurNameIsSetAside) {
  run_sql(file_, "PRAGMA user_version = 0");
  Store store = open();
  expect_started_anew(store);
}

TEST_F(StoreRepair, NewerSchemaIsRefusedAndKept) {
  run_sql(file_, "PRAGMA user_version = 2");
  const std::string before = read_file(file_);
  try {
    open();
    FAIL() << "a file of schema 2 was accepted";
  } catch (const StoreError& error) {
    EXPECT_THAT(error.what(), HasSubstr("schema 2"));
  }
  EXPECT_TRUE(read_file(file_) == before);
  EXPECT_FALSE(std::filesystem::exists(bad_));
  EXPECT_THAT(reports_, IsEmpty());
}

TEST_F(StoreRepair, JournalGoesAsideWithItsFile) {
  write_file(file_, random_bytes(20'000));
  // A journal whose header is zero is not hot: SQLite neither rolls it back nor deletes it.
  const std::string journal(3000, '\0');
  write_file(directory_ / "kernels-v1.sqlite-journal", journal);
  write_file(directory_ / "kernels-v1.sqlite.bad-wal", "left from an earlier repair");
  Store store = open();
  EXPECT_TRUE(read_file(directory_ / "kernels-v1.sqlite.bad-journal") == journal);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "kernels-v1.sqlite.bad-wal"));
  expect_started_anew(store);
}

TEST_F(StoreRepair, WriteAheadLogIsLeft) {
  run_sql(file_, "PRAGMA journal_mode = WAL");
  Store store = open();
  store.put(sample_entry(11));
  EXPECT_EQ(store.stat().entries, 11);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "kernels-v1.sqlite-wal"));
  EXPECT_EQ(read_file(file_)[18], 1) << "byte 18 of the header: 1 is rollback journal, 2 is WAL";
  EXPECT_THAT(reports_, IsEmpty());
}

TEST_F(StoreRepair, FlippedImageByteCostsItsRow) {
  // SQLite sees nothing wrong with this change.
  char flipped[3];
  std::snprintf(flipped, sizeof flipped, "%02x", sample_entry(3).image[1499] ^ 1u);
  run_sql(file_, std::string("UPDATE kernels SET image = CAST(substr(image, 1, 1499) || x'") + flipped +
                     "' || substr(image, 1501) AS BLOB) WHERE config LIKE '%\"number\":3}'");
  Store store = open();
  EXPECT_THAT(store.verify(), ElementsAre(HasSubstr("\"number\":3")));
  EXPECT_THAT(store.list(/*with_images=*/true), SizeIs(9));

  EXPECT_FALSE(store.find(sample_fields(3), {}));
  EXPECT_THAT(reports_, ElementsAre(::testing::AllOf(HasSubstr("\"number\":3"), HasSubstr("checksum"))));
  EXPECT_EQ(store.stat().entries, 9);
  EXPECT_THAT(store.verify(), IsEmpty());
  EXPECT_TRUE(store.find(sample_fields(4), {}));
  EXPECT_THAT(reports_, SizeIs(1));
}

TEST_F(StoreRepair, ByteFlippedInTheFileCostsItsRow) {
  const Entry entry = sample_entry(5);
  const std::string image(entry.image.begin(), entry.image.end());
  std::string bytes = read_file(file_);
  const std::size_t place = bytes.find(image.substr(0, 300));
  ASSERT_NE(place, std::string::npos);
  bytes[place + 100] ^= 0x10;
  write_file(file_, bytes);
  Store store = open();
  EXPECT_FALSE(store.find(sample_fields(5), {}));
  EXPECT_THAT(reports_, ElementsAre(HasSubstr("deleted")));
  EXPECT_EQ(store.stat().entries, 9);
}

TEST_F(StoreRepair, EveryColumnIsUnderTheChecksum) {
  for (const char* change : {"family = 'x'", "config = '{}'", "target = 'sm_80'", "options = ''", "source_digest = ''",
                             "key_schema = 9", "entry_point = 'x'", "resources = '{}'", "log = ''",
                             "compile_seconds = 1", "created = 1", "local = 1", "checksum = ''", "image = x''"}) {
    SCOPED_TRACE(change);
    Store(directory_.path()).put(sample_entry(3));
    run_sql(file_, std::string("UPDATE kernels SET ") + change + " WHERE key = '" + sample_fields(3).key().hex() + "'");
    reports_.clear();
    Store store = open();
    EXPECT_THAT(store.verify(), SizeIs(1));
    EXPECT_FALSE(store.find(sample_fields(3), {}));
    EXPECT_THAT(reports_, SizeIs(1));
    EXPECT_EQ(store.stat().entries, 9);
  }
}

/// As a faulty writer would leave it: the checksum is right, but the fields do not match the key.
TEST_F(StoreRepair, RowUnderAForeignKeyIsBad) {
  const std::string key = sample_fields(2).key().hex();
  Row row = make_row(sample_entry(3));
  const std::string true_key = row.key;
  row.key = key;
  run_sql(file_, "DELETE FROM kernels WHERE key = '" + key + "'; UPDATE kernels SET key = '" + key + "', checksum = '" +
                     checksum_of(row) + "' WHERE key = '" + true_key + "'");
  Store store = open();
  EXPECT_THAT(store.verify(), ElementsAre(HasSubstr("key")));
  EXPECT_FALSE(store.find(sample_fields(2), {}));
  EXPECT_THAT(reports_, ElementsAre(HasSubstr("do not match its key")));
  EXPECT_EQ(store.stat().entries, 8);
}

TEST_F(StoreRepair, BadRowOfOneCompilerGivesWayToAnother) {
  Store(directory_.path()).put(sample_entry(3, kOldCompiler));
  run_sql(file_,
          "UPDATE kernels SET log = 'x' WHERE compiler_major = 13 AND key = '" + sample_fields(3).key().hex() + "'");
  Store store = open();
  const std::optional<Entry> found = store.find(sample_fields(3), {});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->compiler, kOldCompiler);
  EXPECT_THAT(reports_, SizeIs(1));
  EXPECT_EQ(store.stat().entries, 10);
}

// ---- under an open connection --------------------------------------------------------------------

TEST_F(StoreRepair, FileOverwrittenUnderAConnection) {
  Store store = open();
  ASSERT_TRUE(store.find(sample_fields(1), {}));
  ASSERT_EQ(0, run_child([&] { return write_file(file_, random_bytes(50'000)), 0; }));
  EXPECT_FALSE(store.find(sample_fields(1), {}));
  expect_started_anew(store);
}

TEST_F(StoreRepair, FileEmptiedUnderAConnection) {
  Store store = open();
  ASSERT_TRUE(store.find(sample_fields(1), {}));
  ASSERT_EQ(0, run_child([&] { return write_file(file_, ""), 0; }));
  EXPECT_FALSE(store.find(sample_fields(1), {}));
  EXPECT_THAT(reports_, ElementsAre(HasSubstr("was empty")));
  store.put(sample_entry(1));
  EXPECT_TRUE(store.find(sample_fields(1), {}));
}

TEST_F(StoreRepair, DamagedPageFoundByAFind) {
  // The header stays sound, so the damage shows only when the page is used.
  std::string bytes = read_file(file_);
  for (std::size_t i = 4096; i < bytes.size(); ++i) bytes[i] = '\x55';
  write_file(file_, bytes);
  Store store = open();
  EXPECT_THAT(reports_, IsEmpty());
  EXPECT_FALSE(store.find(sample_fields(1), {}));
  expect_started_anew(store);
}

TEST_F(StoreRepair, VerifyTellsOfDamageAndChangesNothing) {
  std::string bytes = read_file(file_);
  for (std::size_t i = 4096; i < bytes.size(); ++i) bytes[i] = '\x55';
  write_file(file_, bytes);
  Store store = open();
  EXPECT_THAT(store.verify(), Not(IsEmpty()));
  EXPECT_TRUE(read_file(file_) == bytes);
  EXPECT_THAT(reports_, IsEmpty());
}

TEST_F(StoreRepair, PutIntoADamagedFileSucceeds) {
  std::string bytes = read_file(file_);
  for (std::size_t i = 4096; i < bytes.size(); ++i) bytes[i] = '\x55';
  write_file(file_, bytes);
  Store store = open();
  store.put(sample_entry(20));
  EXPECT_TRUE(store.find(sample_fields(20), {}));
  EXPECT_THAT(reports_, ElementsAre(HasSubstr("damaged")));
}

TEST_F(StoreRepair, FileReplacedByAnotherProcessIsFollowed) {
  Store store = open();
  ASSERT_TRUE(store.find(sample_fields(1), {}));
  ASSERT_EQ(0, run_child([&] {
              std::filesystem::rename(file_, bad_);
              Store(directory_.path()).put(sample_entry(30));
              return 0;
            }));
  EXPECT_TRUE(store.find(sample_fields(30), {}));
  EXPECT_FALSE(store.find(sample_fields(1), {}));
  store.put(sample_entry(31));
  EXPECT_EQ(Store(directory_.path()).stat().entries, 2);
}

TEST_F(StoreRepair, DeletedFilesAreMadeAgain) {
  Store store = open();
  for (const auto& file : std::filesystem::directory_iterator(directory_.path())) {
    std::filesystem::remove(file.path());
  }
  EXPECT_FALSE(store.find(sample_fields(1), {}));
  store.put(sample_entry(1));
  EXPECT_TRUE(Store(directory_.path()).find(sample_fields(1), {}));
  EXPECT_TRUE(std::filesystem::exists(directory_ / "kernels-v1.lock"));
}

TEST_F(StoreRepair, DeletedDirectoryIsAnError) {
  Store store = open();
  std::filesystem::remove_all(directory_.path());
  EXPECT_THROW(store.put(sample_entry(1)), StoreError);
  EXPECT_THROW(store.find(sample_fields(1), {}), StoreError);
}

// ---- killed in the middle ------------------------------------------------------------------------

TEST_F(StoreRepair, HalfWrittenTransactionIsRolledBack) {
  // A tiny page cache makes SQLite write to the file before the commit; then the process dies.
  ASSERT_EQ(3, run_child([&] {
              sqlite3* database = nullptr;
              sqlite3_open(file_.c_str(), &database);
              const char* sql =
                  "PRAGMA cache_size = 1; BEGIN IMMEDIATE;"
                  "UPDATE kernels SET image = zeroblob(50000)";
              return sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK ? 3 : 4;
            }));
  ASSERT_TRUE(std::filesystem::exists(directory_ / "kernels-v1.sqlite-journal"));
  Store store = open();
  EXPECT_THAT(store.verify(), IsEmpty());
  for (int number = 0; number < 10; ++number) EXPECT_TRUE(store.find(sample_fields(number), {}));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "kernels-v1.sqlite-journal"));
  EXPECT_THAT(reports_, IsEmpty());
}

TEST_F(StoreRepair, WriterKilledAtAnyMomentHarmsNothing) {
  std::mt19937 random(11);
  for (int round = 0; round < 15; ++round) {
    const pid_t writer = start_child([&] {
      Store store(directory_.path());
      for (int number = 100;; ++number) store.put(sample_entry(number, kNewCompiler, 50'000));
      return 0;
    });
    ::usleep(2000 + random() % 15'000);
    ::kill(writer, SIGKILL);
    ASSERT_EQ(wait_for(writer), 1000 + SIGKILL);
    Store store = open();
    ASSERT_THAT(store.verify(), IsEmpty());
    for (int number = 0; number < 10; ++number) ASSERT_TRUE(store.find(sample_fields(number), {}));
  }
  EXPECT_THAT(reports_, IsEmpty());
}

}  // namespace
}  // namespace attnjit::cache
