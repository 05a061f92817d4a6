// One store object on both sides of a fork, and the locks around its transactions.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>

#include <fstream>
#include <thread>

#include "cache/store.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using ::testing::IsEmpty;

TEST(StoreFork, ChildUsesAConnectionOfItsOwn) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry(0));
  ASSERT_TRUE(store.find(sample_fields(0), {}));
  ASSERT_EQ(0, run_child([&] {
              if (!store.find(sample_fields(0), {})) return 1;
              store.put(sample_entry(1));
              return store.find(sample_fields(1), {}) ? 0 : 2;
            }));
  EXPECT_TRUE(store.find(sample_fields(1), {}));
  store.put(sample_entry(2));
  EXPECT_EQ(store.stat().entries, 3);
  EXPECT_THAT(store.verify(), IsEmpty());
}

TEST(StoreFork, ManyChildrenWriteThroughTheInheritedObject) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry(0));
  std::vector<pid_t> children;
  for (int child = 0; child < 8; ++child) {
    children.push_back(start_child([&, child] {
      for (int i = 0; i < 5; ++i) store.put(sample_entry(100 * (child + 1) + i));
      return 0;
    }));
  }
  for (int i = 1; i < 6; ++i) store.put(sample_entry(i));
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(store.stat().entries, 1 + 5 + 8 * 5);
  EXPECT_THAT(store.verify(), IsEmpty());
}

/// A find that stays in its transaction until told to leave.
class LongRead {
 public:
  explicit LongRead(Store& store)
      : thread_([this, &store] {
          const CompilerWish slow{.accepts = [this](const CompilerId&) {
            inside_.give();
            leave_.take();
            return true;
          }};
          EXPECT_TRUE(store.find(sample_fields(0), slow));
        }) {
    inside_.take();
  }
  void end() {
    leave_.give();
    thread_.join();
  }

 private:
  Signal inside_, leave_;
  std::thread thread_;
};

/// The child inherits a mutex that is held forever, and SQLite's belief that the file is locked.
TEST(StoreFork, ChildForkedInTheMiddleOfATransactionRefusesAndDoesNotHang) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry(0));
  const auto refused = [](const std::function<void()>& use) {
    try {
      use();
      return false;
    } catch (const StoreError& error) {
      return std::string(error.what()).find("forked") != std::string::npos;
    }
  };
  LongRead read(store);
  const pid_t child = start_child(
      [&] {
        if (!refused([&] { store.find(sample_fields(0), {}); })) return 1;
        if (!refused([&] { store.put(sample_entry(1)); })) return 2;
        if (!refused([&] { Store another(directory.path()); })) return 3;
        // Nor may a grandchild, although nobody is inside when it is forked.
        return run_child([&] { return refused([&] { store.find(sample_fields(0), {}); }) ? 0 : 4; });
      },
      10);
  EXPECT_EQ(wait_for(child), 0);
  read.end();
  EXPECT_TRUE(store.find(sample_fields(0), {}));
  // The parent is unaffected, and so is a child forked now.
  EXPECT_EQ(0, run_child([&] { return store.put(sample_entry(1)), 0; }));
  EXPECT_TRUE(store.find(sample_fields(1), {}));
}

TEST(StoreFork, DestroyingTheObjectInAChildLeavesTheParentsTransactionAlone) {
  TemporaryDirectory directory;
  auto store = std::make_unique<Store>(directory.path());
  store->put(sample_entry(0));
  ASSERT_EQ(0, run_child([&] {
              store->put(sample_entry(1));
              store.reset();
              return 0;
            }));
  store->put(sample_entry(2));
  EXPECT_EQ(store->stat().entries, 3);
}

/// If another copy of SQLite in this process closes the file, it drops our POSIX locks; opening and closing a plain
/// descriptor does the same. The side lock must keep other processes out nevertheless.
TEST(StoreLocks, SurviveTheLossOfPosixLocks) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry(0));
  Signal go;
  const pid_t writer = start_child([&] {
    go.take();
    Store(directory.path()).put(sample_entry(1));
    return 0;
  });
  LongRead read(store);
  ::close(::open(store.path().c_str(), O_RDONLY));
  go.give();
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  EXPECT_EQ(::waitpid(writer, nullptr, WNOHANG), 0) << "a writer got in while a reader was in its transaction";
  read.end();
  EXPECT_EQ(wait_for(writer), 0);
  EXPECT_TRUE(store.find(sample_fields(1), {}));
}

TEST(StoreLocks, ReadersDoNotExcludeEachOther) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry(0));
  Signal go;
  const pid_t other = start_child(
      [&] {
        go.take();
        return Store(directory.path()).find(sample_fields(0), {}) ? 0 : 1;
      },
      4);
  LongRead read(store);
  go.give();
  EXPECT_EQ(wait_for(other), 0);
  read.end();
}

/// Rolling back a journal writes, so a process that finds one waits until all readers are gone.
TEST(StoreLocks, ReaderThatFindsAJournalWantsToBeAlone) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry(0));
  Signal go;
  const pid_t other = start_child([&] {
    go.take();
    return Store(directory.path()).find(sample_fields(0), {}) ? 0 : 1;
  });
  LongRead read(store);
  std::ofstream(directory / "kernels-v1.sqlite-journal") << std::string(512, '\0');
  go.give();
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  EXPECT_EQ(::waitpid(other, nullptr, WNOHANG), 0) << "it did not wait";
  read.end();
  EXPECT_EQ(wait_for(other), 0);
}

/// The lock is polled, so readers that always overlap could keep a writer out until it gives up after 5 s.
TEST(StoreLocks, WriterGetsInAmongReadersThatNeverPause) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry(0, kNewCompiler, 60'000));
  constexpr int kReaders = 12;
  std::vector<pid_t> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.push_back(start_child([&] {
      Store mine(directory.path());
      while (mine.find(sample_fields(0), {})) continue;
      return 1;
    }));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const auto start = std::chrono::steady_clock::now();
  constexpr int kWrites = 5;
  for (int number = 1; number <= kWrites; ++number) store.put(sample_entry(number));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
  for (const pid_t reader : readers) {
    ::kill(reader, SIGKILL);
    EXPECT_EQ(wait_for(reader), 1000 + SIGKILL);
  }
}

/// Another program, which does not know about our side lock, has its own transaction for a while.
class OtherProgram {
 public:
  OtherProgram(const std::filesystem::path& file, const char* begin)
      : process_(start_child([this, file, begin] {
          sqlite3* database = nullptr;
          sqlite3_open(file.c_str(), &database);
          if (sqlite3_exec(database, begin, nullptr, nullptr, nullptr) != SQLITE_OK) return 1;
          locked_.give();
          ::usleep(200'000);
          sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr);
          sqlite3_close(database);
          return 0;
        })) {
    locked_.take();
  }
  ~OtherProgram() { EXPECT_EQ(wait_for(process_), 0); }
  OtherProgram(const OtherProgram&) = delete;
  OtherProgram& operator=(const OtherProgram&) = delete;

 private:
  Signal locked_;
  const pid_t process_;
};

TEST(StoreLocks, ShortLockOfAnotherProgramIsWaitedFor) {
  TemporaryDirectory directory;
  Store store(directory.path());
  const OtherProgram other(store.path(), "BEGIN EXCLUSIVE");
  store.put(sample_entry(0));
  EXPECT_TRUE(Store(directory.path()).find(sample_fields(0), {}));
}

/// The first look at a file may also run into a lock.
TEST(StoreLocks, ShortLockOfAnotherProgramIsWaitedForByWhoOpens) {
  TemporaryDirectory directory;
  const std::filesystem::path file = Store(directory.path()).path();
  const auto on_repair = [](const std::string& report) { ADD_FAILURE() << report; };
  const OtherProgram other(file, "BEGIN EXCLUSIVE");
  Store store(directory.path(), on_repair);
  store.put(sample_entry(0));
  EXPECT_TRUE(store.find(sample_fields(0), {}));
}

/// A transaction that reads first and then wants to write is refused at once while another is about to write, unless it
/// announced from the start that it would write. (SQLite does not wait where both would wait for each other.)
TEST(StoreLocks, ATransactionThatReadsFirstWaitsForAnotherWriter) {
  TemporaryDirectory directory;
  Store store(directory.path());
  for (int number = 0; number < 3; ++number) store.put(sample_entry(number));
  {
    const OtherProgram other(store.path(), "BEGIN IMMEDIATE");
    EXPECT_EQ(store.collect_garbage(kUnlimited, /*unused_since=*/sample_entry(1).created_unix).unused_rows, 1);
  }
  const OtherProgram other(store.path(), "BEGIN IMMEDIATE");
  EXPECT_GE(store.collect_garbage(/*max_bytes=*/1, std::nullopt).evicted_rows, 1);
}

}  // namespace
}  // namespace attnjit::cache
