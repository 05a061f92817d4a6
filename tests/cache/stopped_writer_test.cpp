// A process that is stopped (a frozen container, a debugger) while it holds the store's locks or a key's. Nobody else
// waits long for it, and rows that it does not write are read as if it were not there.
#include <gmock/gmock.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <mutex>
#include <thread>

#include "cache/key_lock.h"
#include "cache/row.h"
#include "cache/unlocked_read.h"
#include "tests/cache/cache_trouble.h"
#include "tests/cache/faulty_disk.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Clock = std::chrono::steady_clock;

constexpr int kStored = 5;  // kernels 0 to 4
constexpr std::size_t kBytes = 8'000;

Entry stored(int number) { return sample_entry(number, kNewCompiler, kBytes); }

/// Waits until the process has stopped or ended; true if it has stopped.
bool has_stopped(pid_t process, int& end) {
  int status = 0;
  EXPECT_EQ(::waitpid(process, &status, WUNTRACED), process);
  if (WIFSTOPPED(status)) return true;
  end = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  return false;
}

class StoppedWriter : public ::testing::Test {
 protected:
  StoppedWriter() { FaultyDisk::install(); }
  ~StoppedWriter() override { FaultyDisk::heal(); }

  void fill() {
    Store store(directory_.path());
    for (int number = 0; number < kStored; ++number) store.put(stored(number));
  }
  /// A process that stops at the n-th change that a put makes on the disk, and ends well when continued.
  pid_t start_writer(int nth, int number = 10) {
    return start_child([this, nth, number] {
      Store store(directory_.path());
      FaultyDisk::strike_at(nth, Strike::kStop);
      store.put(stored(number));
      return FaultyDisk::struck() ? 0 : 7;
    });
  }
  std::unique_ptr<KernelCache> open(std::chrono::milliseconds request = 40ms, std::chrono::milliseconds read = 5ms) {
    KernelCacheOptions options;
    options.location.directory = directory_.path();
    options.warn = [this](const std::string& text) {
      const std::lock_guard guard(mutex_);
      warnings_.push_back(text);
    };
    options.lock_timeout = request;
    options.read_patience = read;
    return std::make_unique<KernelCache>(std::move(options));
  }
  static KernelCache::Request request(int number) { return {sample_fields(number), {}, false}; }
  static Entry forbidden() {
    ADD_FAILURE() << "compiled, although the store has it";
    return {};
  }

  TemporaryDirectory directory_;
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

TEST_F(StoppedWriter, AtEachWriteOfAPutReadersGetTheRightRowOrAMiss) {
  int hits = 0, rounds = 0;
  fill();
  for (int end = -1; end != 7; ++rounds) {
    SCOPED_TRACE(::testing::Message() << "stopped at change " << rounds + 1);
    const pid_t writer = start_writer(rounds + 1, /*number=*/10 + rounds);
    const bool stopped = has_stopped(writer, end);
    if (stopped) {
      const auto cache = open(10ms, 1ms);
      for (int number = 0; number < kStored; ++number) {
        const auto entry = cache->find(request(number));
        hits += entry != nullptr;
        if (entry) expect_same(*entry, stored(number));
      }
      EXPECT_EQ(cache->find(request(99)), nullptr);
      EXPECT_EQ(cache->counters().repairs, 0) << "a file that a living process writes was taken for damaged";
      ::kill(writer, SIGCONT);
      end = wait_for(writer);
      EXPECT_EQ(end, 0);
    }
    std::vector<std::string> reports;
    Store store(directory_.path(), [&](const std::string& report) { reports.push_back(report); });
    EXPECT_THAT(store.verify(), IsEmpty());
    EXPECT_EQ(store.stat().entries, kStored + rounds + 1);
    EXPECT_THAT(reports, IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(directory_ / "kernels-v1.sqlite.bad"));
    if (HasFailure()) return;
  }
  EXPECT_GT(rounds, 10) << "the disk was hardly written to";
  EXPECT_GT(hits, (rounds - 1) * kStored / 2) << "most of what the writer does not write can be read";
}

TEST_F(StoppedWriter, AWarmProcessIsServedFromTheStoreAtOnce) {
  fill();
  const pid_t writer = start_writer(3);  // while it writes its journal: it holds the side lock and SQLite's lock
  int end = 0;
  ASSERT_TRUE(has_stopped(writer, end));
  const auto start = Clock::now();
  {
    const auto cache = open(20s, 50ms);
    ASSERT_TRUE(cache->store());
    for (int number = 0; number < kStored; ++number) {
      const Found found = cache->get(request(number), forbidden);
      EXPECT_EQ(found.tier, Tier::kStore);
      expect_same(*found.entry, stored(number));
    }
    EXPECT_EQ(cache->counters().compiles, 0);
  }
  EXPECT_LT(Clock::now() - start, 10s) << "it waited for the writer";
  EXPECT_THAT(warnings_, IsEmpty());
  ::kill(writer, SIGCONT);
  EXPECT_EQ(wait_for(writer), 0);
  EXPECT_TRUE(Store(directory_.path()).find(sample_fields(10), {})) << "the writer has finished its work";
}

TEST_F(StoppedWriter, WhatIsInNoStoreIsWaitedForOnceAndThenCompiled) {
  fill();
  const pid_t writer = start_writer(3);
  int end = 0;
  ASSERT_TRUE(has_stopped(writer, end));
  const auto cache = open(400ms, 1ms);
  std::vector<std::string> troubles;
  const auto start = Clock::now();
  for (int number = 100; number < 110; ++number) {
    KernelCache::Request missing = request(number);
    missing.on_miss = [&](const std::string& trouble) {
      troubles.push_back(trouble);
      return MissDecision::kCompile;
    };
    EXPECT_EQ(cache->get(missing, [&] { return stored(number); }).tier, Tier::kCompiled);
  }
  // 400 ms once, not 10 times, let alone 30.
  EXPECT_LT(Clock::now() - start, 4s) << "each request waited for the writer";
  EXPECT_THAT(troubles, ::testing::Each(HasSubstr("holds the lock")));
  EXPECT_THAT(warnings_,
              ElementsAre(AllOf(HasSubstr("may be stopped"), HasSubstr("compiled again")), HasSubstr("not kept")));
  ::kill(writer, SIGCONT);
  EXPECT_EQ(wait_for(writer), 0);
  EXPECT_EQ(cache->get(request(10), forbidden).tier, Tier::kStore) << "the store is used again as soon as it is free";
  troubles.clear();
  KernelCache::Request missing = request(111);
  missing.on_miss = [&](const std::string& trouble) {
    troubles.push_back(trouble);
    return MissDecision::kCompile;
  };
  cache->get(missing, [] { return stored(111); });
  EXPECT_THAT(troubles, ElementsAre("")) << "now it is known to be absent";
}

TEST_F(StoppedWriter, WhatARequestHasWaitedIsTakenFromItsBudget) {
  fill();
  const pid_t writer = start_writer(3);
  int end = 0;
  ASSERT_TRUE(has_stopped(writer, end));
  {
    Store store(directory_.path(), {}, kDefaultMaxBytes, {.request = 200ms, .read = 1ms});
    WaitBudget budget(200ms);
    EXPECT_THAT(store.look_up(sample_fields(100), {}, budget).trouble, HasSubstr("holds the lock"));
    EXPECT_LT(budget.left(), 50ms);
  }
  ::kill(writer, SIGCONT);
  EXPECT_EQ(wait_for(writer), 0);
}

TEST_F(StoppedWriter, ThreadsDoNotWaitForItOneAfterAnother) {
  fill();
  const pid_t writer = start_writer(3);
  int end = 0;
  ASSERT_TRUE(has_stopped(writer, end));
  const auto cache = open(1000ms, 1ms);
  const auto start = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (int number = 100; number < 104; ++number) {
      threads.emplace_back([&, number] { cache->get(request(number), [&] { return stored(number); }); });
    }
  }
  EXPECT_LT(Clock::now() - start, 2500ms) << "each waited for its own second";
  ::kill(writer, SIGCONT);
  EXPECT_EQ(wait_for(writer), 0);
}

TEST_F(StoppedWriter, HoldingAKeyIsWaitedForNoLongerThanItGetsOn) {
  Store(directory_.path()).put(stored(0));
  const Key key = sample_fields(1).key();
  Signal held;
  const pid_t holder = start_child([&] {
    const KeyLock lock(directory_ / "compile.lock", key, 0ms);
    held.give();
    const auto until = Clock::now() + 900ms;  // longer than the waiter's patience with a holder that makes no progress
    while (Clock::now() < until) {
    }
    return 0;
  });
  held.take();
  const KeyLock after(directory_ / "compile.lock", key, 600ms);
  EXPECT_EQ(after.outcome(), KeyLock::Outcome::kHeld) << "the holder was computing all the time";
  EXPECT_TRUE(after.waited());
  EXPECT_EQ(wait_for(holder), 0);

  const Key third = sample_fields(3).key();
  const pid_t waiting = start_child([&] {
    KeyLock lock(directory_ / "compile.lock", third, 0ms);
    lock.note_waiting(true);
    held.give();
    for (const auto until = Clock::now() + 5s; Clock::now() < until;) {  // keeps asking
    }
    return 0;
  });
  held.take();
  const KeyLock beside(directory_ / "compile.lock", third, 600ms);
  EXPECT_EQ(beside.outcome(), KeyLock::Outcome::kTimedOut) << "it took one that waits for one that gets on";
  EXPECT_GE(beside.idle(), 600ms);
  ::kill(waiting, SIGKILL);
  EXPECT_EQ(wait_for(waiting), 1000 + SIGKILL);

  // Two keys share a place in the file: progress on one key must not count as progress on the other.
  Key fourth = third, fifth = third;
  fourth.bytes[0] = 1;
  fifth.bytes[0] = 2;
  const pid_t computing = start_child([&] {
    const KeyLock held_in_vain(directory_ / "compile.lock", fourth, 0ms);
    const KeyLock lock(directory_ / "compile.lock", fifth, 0ms);
    held.give();
    for (const auto until = Clock::now() + 5s; Clock::now() < until;) {
    }
    return 0;
  });
  held.take();
  EXPECT_EQ(KeyLock(directory_ / "compile.lock", fourth, 600ms).outcome(), KeyLock::Outcome::kTimedOut);
  ::kill(computing, SIGKILL);
  EXPECT_EQ(wait_for(computing), 1000 + SIGKILL);

  const Key other = sample_fields(2).key();
  const pid_t stopped = start_child([&] {
    const KeyLock lock(directory_ / "compile.lock", other, 0ms);
    ::raise(SIGSTOP);
    return 0;
  });
  int end = 0;
  ASSERT_TRUE(has_stopped(stopped, end));
  const auto start = Clock::now();
  EXPECT_EQ(KeyLock(directory_ / "compile.lock", other, 200ms).outcome(), KeyLock::Outcome::kTimedOut);
  EXPECT_LT(Clock::now() - start, 2300ms) << "it took a stopped process for one that gets on";
  ::kill(stopped, SIGCONT);
  EXPECT_EQ(wait_for(stopped), 0);
}

// ---- the lock-free read by itself

TEST_F(StoppedWriter, AReadWithoutLocksLeavesTheLocksOfThisProcessAlone) {
  fill();
  const std::filesystem::path file = directory_ / "kernels-v1.sqlite";
  const auto writer_gets_in = [&] {
    return run_child([&] {
             sqlite3* database = nullptr;
             if (sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK) return 2;
             return sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK ? 1 : 0;
           }) == 1;
  };
  EXPECT_TRUE(writer_gets_in());
  Database database(file, 0ms);
  database.execute("BEGIN EXCLUSIVE");  // what a writer holds while it writes to the file: SQLite lets nobody read
  ASSERT_FALSE(writer_gets_in());
  for (int number = 0; number < kStored; ++number) {
    EXPECT_TRUE(read_without_locks(file, sample_fields(number), {}));
  }
  EXPECT_FALSE(writer_gets_in()) << "closing the connection without locks dropped those of the other one";
  database.execute("ROLLBACK");
  EXPECT_TRUE(writer_gets_in());
}

TEST_F(StoppedWriter, AReadWithoutLocksTakesOnlyWhatProvesItself) {
  const std::filesystem::path odd = directory_ / "a folder?with=a#query%41&immutable=0";
  std::filesystem::create_directory(odd);
  {
    Store store(odd);
    store.put(sample_entry(1, kOldCompiler));
    store.put(sample_entry(1, kNewCompiler));
    store.put(sample_entry(2));
  }
  const std::filesystem::path file = odd / Store::file_name();
  const auto read = [&](int number, const CompilerWish& wish = {}) {
    return read_without_locks(file, sample_fields(number), wish);
  };
  ASSERT_TRUE(read(1));
  expect_same(*read(1), sample_entry(1, kNewCompiler));
  expect_same(*read(1, {.exactly = kOldCompiler}), sample_entry(1, kOldCompiler));
  EXPECT_FALSE(read(1, {.accepts = [](const CompilerId&) { return false; }}));
  EXPECT_FALSE(read(3));
  const auto change = [&](const char* sql) { Database(file, 0ms).execute(sql); };
  change("UPDATE kernels SET log = 'another' WHERE compiler_major = 13");
  expect_same(*read(1), sample_entry(1, kOldCompiler));
  EXPECT_FALSE(read(2)) << "its checksum is wrong";
  change("PRAGMA user_version = 2");
  EXPECT_FALSE(read(1)) << "of another schema";
  change("PRAGMA user_version = 1");
  EXPECT_TRUE(read(1));
  change("ALTER TABLE kernels RENAME TO other");
  EXPECT_FALSE(read(1));

  const auto before = names_in(odd);
  EXPECT_EQ(run_child([&] {
              std::ofstream(file, std::ios::trunc) << "no database";
              if (read(1)) return 1;
              std::filesystem::resize_file(file, 0);
              if (read(1)) return 2;
              std::filesystem::remove(file);
              if (read(1)) return 3;
              if (names_in(odd).contains(file.filename())) return 4;
              if (::mkfifo(file.c_str(), 0600) != 0) return 5;
              return read(1) ? 6 : 0;
            }),
            0);
  EXPECT_EQ(names_in(odd), before) << "something was repaired";
}

}  // namespace
}  // namespace attnjit::cache
