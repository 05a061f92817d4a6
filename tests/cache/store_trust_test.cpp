// What a file may contain, and what may lie beside it or in its place, without being trusted: docs/security.md.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>

#include "cache/folder_trust.h"
#include "cache/kernel_cache.h"
#include "cache/key_lock.h"
#include "cache/row.h"
#include "cache/sqlite.h"
#include "cache/store.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

constexpr char kEndless[] = "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c)";
constexpr unsigned kSoon = 20;  // seconds, after which a hanging process is killed

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const StoreError& error) {
    return error.what();
  }
  return "(no error)";
}

class StoreTrust : public ::testing::Test {
 protected:
  StoreTrust() {
    Store store(directory_.path());
    for (int number = 0; number < 4; ++number) store.put(sample_entry(number));
  }

  /// As another program would: from a child process with its own connection.
  void run_sql(const std::string& sql) const {
    ASSERT_EQ(0, run_child([&] {
                sqlite3* database = nullptr;
                if (sqlite3_open(file_.c_str(), &database) != SQLITE_OK) return 1;
                const int code = sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr);
                sqlite3_close(database);
                return code == SQLITE_OK ? 0 : 2;
              }))
        << sql;
  }
  Store open() {
    return Store(directory_.path(), [this](const std::string& report) { reports_.push_back(report); });
  }
  /// Reading and writing work, and nothing in the file counted as damage.
  void expect_works() {
    EXPECT_EQ(0, run_child(
                     [&] {
                       Store store = open();
                       store.put(sample_entry(10));
                       expect_same(store.find(sample_fields(10), {}).value(), sample_entry(10));
                       expect_same(store.find(sample_fields(2), {}).value(), sample_entry(2));
                       EXPECT_EQ(store.stat().entries, 5);
                       EXPECT_THAT(store.verify(), IsEmpty());
                       EXPECT_THAT(reports_, IsEmpty());
                       return HasFailure() ? 1 : 0;
                     },
                     kSoon));
  }
  /// The file is not trusted: `why` is reported, and the file is not changed.
  void expect_refused(const std::string& why) {
    EXPECT_EQ(0, run_child(
                     [&] {
                       EXPECT_THAT(message_of([&] { open(); }), HasSubstr(why));
                       EXPECT_THAT(reports_, IsEmpty());
                       return HasFailure() ? 1 : 0;
                     },
                     kSoon));
    EXPECT_FALSE(fs::exists(directory_ / "kernels-v1.sqlite.bad"));
  }

  TemporaryDirectory directory_;
  const fs::path file_ = directory_ / "kernels-v1.sqlite";
  const fs::path journal_ = directory_ / "kernels-v1.sqlite-journal";
  std::vector<std::string> reports_;
};

// ---- what is in the file

TEST_F(StoreTrust, EndlessTriggerNeverRuns) {
  run_sql(std::string("CREATE TRIGGER endless AFTER INSERT ON kernels BEGIN SELECT ") + kEndless + "; END");
  expect_works();
}

TEST_F(StoreTrust, TriggerThatDropsRowsNeverRuns) {
  run_sql("CREATE TRIGGER kernels AFTER INSERT ON kernels BEGIN DELETE FROM kernels; END");
  expect_works();
}

TEST_F(StoreTrust, AnalyzeAndViewsAreNoDamageAndAreTold) {
  run_sql(std::string("ANALYZE; CREATE VIEW v AS SELECT ") + kEndless);
  expect_works();
  EXPECT_THAT(open().foreign_objects(), ElementsAre("table sqlite_stat1", "view v"));
}

TEST_F(StoreTrust, IndexThatWouldDropRowsIsDropped) {
  run_sql("CREATE TABLE notes(x); INSERT INTO notes VALUES(1)");
  run_sql("DELETE FROM kernels WHERE rowid > 1; CREATE UNIQUE INDEX one_of_a_family ON kernels(family)");
  Store store = open();
  for (int number = 0; number < 4; ++number) store.put(sample_entry(number));
  EXPECT_EQ(store.stat().entries, 4);
  EXPECT_THAT(reports_, ElementsAre(HasSubstr("one_of_a_family")));
  EXPECT_THAT(store.foreign_objects(), ElementsAre("table notes"));
}

TEST_F(StoreTrust, StatementWithoutEndEnds) {
  Database database(file_, std::chrono::milliseconds(0));
  EXPECT_THAT(message_of([&] { database.execute(std::string("SELECT ") + kEndless); }), HasSubstr("did not end"));
  EXPECT_EQ(database.integer("SELECT count(*) FROM kernels"), 4) << "the next one has all its steps before it";
}

TEST_F(StoreTrust, NoOtherFileIsAttached) {
  Database database(file_, std::chrono::milliseconds(0));
  EXPECT_THAT(message_of([&] { database.execute("ATTACH ':memory:' AS other"); }), HasSubstr("too many attached"));
  EXPECT_EQ(database.integer("PRAGMA cell_size_check"), 1);
  EXPECT_EQ(database.integer("PRAGMA mmap_size"), 0);
}

TEST_F(StoreTrust, ValueThatNoKernelHasIsRefused) {
  Database database(file_, std::chrono::milliseconds(0));
  EXPECT_THAT(message_of([&] { database.execute("SELECT zeroblob(100 << 20)"); }), HasSubstr("too big"));
}

TEST_F(StoreTrust, ForeignObjectsAreToldToTheHostOnce) {
  run_sql("ANALYZE; CREATE VIEW v AS SELECT 1");
  KernelCacheOptions options;
  options.location.directory = directory_.path();
  options.warn = [this](const std::string& text) { reports_.push_back(text); };
  KernelCache cache(options);
  EXPECT_EQ(cache.get({sample_fields(2), {}, false}, [] { return sample_entry(2); }).tier, Tier::kStore);
  EXPECT_THAT(reports_, ElementsAre(HasSubstr("holds table sqlite_stat1 and more")));
}

// ---- what is beside it

/// A hot journal whose transaction names a super-journal, in SQLite's file format: the name, its length, the sum of its
/// letters, the magic number.
TEST_F(StoreTrust, FileThatAJournalNamesSurvives) {
  const fs::path victim = directory_ / "victim";
  const std::string magic = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7";
  const auto number = [](std::size_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
    return bytes;
  };
  for (const char* name : {"victim", "other.sqlite-journal"}) {
    const fs::path named = directory_ / name;
    std::ofstream(named) << "precious";
    std::size_t sum = 0;
    for (const char letter : named.string()) sum += static_cast<unsigned char>(letter);
    std::ofstream(journal_, std::ios::binary) << magic << std::string(504, '\0') << number(0) << named.string()
                                              << number(named.string().size()) << number(sum) << magic;
    for (int attempt = 0; attempt < 2; ++attempt) {
      message_of([&] { open().find(sample_fields(2), {}); });
      EXPECT_TRUE(fs::exists(named)) << name;
    }
    EXPECT_FALSE(fs::exists(journal_)) << name;
    if (named.extension() == "") {
      EXPECT_THAT(reports_, ElementsAre(HasSubstr("the journal names the file " + named.string())));
    }
    Store store = open();
    EXPECT_TRUE(store.find(sample_fields(2), {})) << name;
    EXPECT_THAT(store.verify(), IsEmpty());
  }
}

TEST_F(StoreTrust, JournalThatIsAPipeHangsNobody) {
  ASSERT_EQ(::mkfifo(journal_.c_str(), 0600), 0);
  expect_refused("kernels-v1.sqlite-journal: is not a regular file");
}

TEST_F(StoreTrust, JournalThatIsALinkIsNotFollowed) {
  std::ofstream(directory_ / "elsewhere") << std::string(4096, 'x');
  fs::create_symlink("elsewhere", journal_);
  expect_refused("kernels-v1.sqlite-journal: is not a regular file");
  EXPECT_EQ(fs::file_size(directory_ / "elsewhere"), 4096u);
}

TEST_F(StoreTrust, JournalThatOthersMayWriteIsNotBelieved) {
  std::ofstream(journal_) << std::string(4096, 'x');
  fs::permissions(journal_, static_cast<fs::perms>(0666));
  expect_refused("kernels-v1.sqlite-journal: everybody may write");
}

TEST_F(StoreTrust, LogThatIsALinkIsNotFollowed) {
  run_sql("PRAGMA journal_mode = WAL");
  std::ofstream(directory_ / "elsewhere") << "precious";
  fs::create_symlink("elsewhere", directory_ / "kernels-v1.sqlite-wal");
  expect_refused("kernels-v1.sqlite-wal: is not a regular file");
}

TEST_F(StoreTrust, LockFileThatIsAPipeHangsNobody) {
  fs::remove(directory_ / "kernels-v1.lock");
  ASSERT_EQ(::mkfifo((directory_ / "kernels-v1.lock").c_str(), 0400), 0);
  fs::permissions(directory_.path(), static_cast<fs::perms>(0755));
  EXPECT_EQ(0, run_child(
                   [&] {
                     if (::geteuid() == 0) {  // root can write to anything, and opens a pipe at once
                       for (const auto& entry : {directory_.path(), file_, directory_ / "kernels-v1.lock"}) {
                         if (::chown(entry.c_str(), 65534, 65534) != 0) return 97;
                       }
                       if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 98;
                     }
                     return open().find(sample_fields(2), {}) ? 0 : 1;
                   },
                   kSoon));
}

// ---- whose it is

TEST_F(StoreTrust, FileThatOthersMayWrite) {
  fs::permissions(file_, static_cast<fs::perms>(0606));
  expect_refused("everybody may write to it (mode 0606)");
  fs::permissions(file_, static_cast<fs::perms>(0660));
  expect_refused("its group");
  fs::permissions(file_, static_cast<fs::perms>(0644));
  expect_works();
}

TEST_F(StoreTrust, FileWithASecondName) {
  fs::create_hard_link(file_, directory_ / "second");
  expect_refused("has 2 names");
}

TEST_F(StoreTrust, FileOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a file to another user needs root";
  ASSERT_EQ(::chown(file_.c_str(), 65534, 65534), 0);
  expect_refused("belongs to user 65534");
}

/// Others may write to the parent and put their own folder in place of ours.
TEST_F(StoreTrust, FolderThatIsExchangedUnderARunningProcess) {
  const fs::path ours = directory_ / "ours";
  const fs::path theirs = directory_ / "theirs";
  for (const fs::path& folder : {ours, theirs}) {
    fs::create_directory(folder);
    fs::permissions(folder, static_cast<fs::perms>(0700));
  }
  Entry forged = sample_entry(1);
  forged.image.assign(100, 'F');
  Store(theirs).put(forged);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(theirs.c_str(), 65534, 65534), 0);
    ASSERT_EQ(::chown((theirs / "kernels-v1.sqlite").c_str(), 65534, 65534), 0);
  } else {
    fs::permissions(theirs, static_cast<fs::perms>(0777));
  }

  Store store(ours);
  store.put(sample_entry(1));
  fs::rename(ours, directory_ / "away");
  fs::rename(theirs, ours);
  EXPECT_THAT(message_of([&] { store.find(sample_fields(1), {}); }), HasSubstr(ours.string() + ": "));
  fs::rename(ours, theirs);
  fs::rename(directory_ / "away", ours);
  expect_same(store.find(sample_fields(1), {}).value(), sample_entry(1));
}

TEST_F(StoreTrust, FolderOfOursInThePlaceOfTheOldOneIsFollowed) {
  const fs::path ours = directory_ / "ours";
  const fs::path next = directory_ / "next";
  for (const fs::path& folder : {ours, next}) {
    fs::create_directory(folder);
    fs::permissions(folder, static_cast<fs::perms>(0700));
  }
  Store(next).put(sample_entry(2));
  Store store(ours);
  store.put(sample_entry(1));
  fs::rename(ours, directory_ / "away");
  fs::rename(next, ours);
  EXPECT_FALSE(store.find(sample_fields(1), {}));
  EXPECT_TRUE(store.find(sample_fields(2), {}));
  EXPECT_EQ(descriptor_flags(ours / "kernels-v1.lock").size(), 1u) << "it locks in the folder that is gone";
}

TEST_F(StoreTrust, NothingIsMadeInAFolderThatWasPutInThePlaceOfOurs) {
  const fs::path ours = directory_ / "ours";
  fs::create_directory(ours);
  fs::permissions(ours, static_cast<fs::perms>(0700));
  Store store(ours);
  store.put(sample_entry(1));
  fs::rename(ours, directory_ / "away");
  fs::create_directory(ours);
  fs::permissions(ours, static_cast<fs::perms>(0777));
  EXPECT_THAT(message_of([&] { store.find(sample_fields(1), {}); }), HasSubstr("everybody may write"));
  const KeyLock lock(ours / "compile.lock", sample_fields(1).key(), std::chrono::milliseconds(0));
  EXPECT_EQ(lock.outcome(), KeyLock::Outcome::kUnavailable);
  EXPECT_TRUE(fs::is_empty(ours));
}

/// The file set aside is the one in the folder that was inspected, whatever has that folder's name by then.
TEST_F(StoreTrust, AHeldFolderIsTheOneThatWasHeld) {
  const fs::path ours = directory_ / "ours";
  fs::create_directory(ours);
  fs::permissions(ours, static_cast<fs::perms>(0700));
  const HeldFolder folder(ours);
  fs::rename(ours, directory_ / "away");
  fs::create_directory(ours);
  std::ofstream(ours / "a") << "theirs";
  EXPECT_FALSE(folder.bears_its_name());
  EXPECT_FALSE(folder.has("a"));
  EXPECT_TRUE(folder.create("a", O_WRONLY).valid());
  EXPECT_TRUE(folder.rename("a", "b"));
  EXPECT_TRUE(fs::exists(directory_ / "away" / "b"));
  EXPECT_TRUE(folder.remove("b"));
  EXPECT_TRUE(fs::is_empty(directory_ / "away"));
  EXPECT_EQ(fs::file_size(ours / "a"), 6u);
}

/// SQLite gives a journal the mode that its database has at that time, and nobody would ever trust a journal that all
/// may write.
TEST_F(StoreTrust, JournalThatThisProcessMakesIsItsOwn) {
  Database database(file_, std::chrono::milliseconds(0));
  ASSERT_EQ(::chmod(file_.c_str(), 0666), 0);
  database.execute("BEGIN IMMEDIATE; DELETE FROM kernels");
  struct stat status;
  ASSERT_EQ(::stat((file_.string() + "-journal").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  database.execute("ROLLBACK");
  ASSERT_EQ(::chmod(file_.c_str(), 0600), 0);
}

}  // namespace
}  // namespace attnjit::cache
