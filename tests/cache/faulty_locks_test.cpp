// File systems without locks, and another SQLite that drops our locks.
#include "tests/cache/faulty_locks.h"

#include <dlfcn.h>
#include <sqlite3.h>

#include <atomic>
#include <thread>

#include "cache/key_lock.h"
#include "tests/cache/cache_trouble.h"

namespace attnjit::cache {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FaultyLocks : public ::testing::Test {
 protected:
  ~FaultyLocks() override {
    set_locks(Locks::kSound);
    // SQLite treats ENOLCK as a lock held by someone else, and would wait 5 s at every use of the store.
    EXPECT_LT(std::chrono::steady_clock::now() - start_, std::chrono::seconds(4)) << "it waited for locks that fail";
  }
  TemporaryDirectory directory_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

TEST_F(FaultyLocks, WithoutAnyLocksKernelsAreKeptInMemory) {
  set_locks(Locks::kNone);
  WatchedCache cache(directory_.path());
  cache.expect_serves();
  EXPECT_GT(locks_refused(), 0);
  EXPECT_EQ(cache->store(), nullptr) << "SQLite does not work without locks";
  EXPECT_THAT(cache.warnings(), ElementsAre(AllOf(HasSubstr("locks fail"), HasSubstr("memory only"))))
      << "without a store no key is locked";
  EXPECT_EQ(cache->counters().store_failures, 1);
}

TEST_F(FaultyLocks, LocksThatFailLaterCostTheStoreAndNotTheRequest) {
  WatchedCache(directory_.path()).get(1);
  WatchedCache cache(directory_.path());
  set_locks(Locks::kNone);
  cache.expect_serves();
  EXPECT_GT(locks_refused(), 0);
  EXPECT_THAT(cache.warnings(),
              ElementsAre(HasSubstr("compiled again"), HasSubstr("cannot be locked"), HasSubstr("not kept")));
  EXPECT_EQ(cache->counters().store_failures, 9);  // three times: a read, a read under the lock, a write
  set_locks(Locks::kSound);
  EXPECT_EQ(cache.get(1), Tier::kStore) << "the connection must have come through it";
  EXPECT_EQ(cache.get(2), Tier::kCompiled);
  EXPECT_TRUE(cache->store()->find(sample_fields(2), {}));
  EXPECT_THAT(cache->store()->verify(), IsEmpty());
}

/// Then SQLite's own locks are all there is. They are enough with one SQLite per process.
TEST_F(FaultyLocks, WithoutOfdLocksTheStoreStillServesManyProcesses) {
  Store(directory_.path()).put(sample_entry(1000));  // else one process may find the file that another is about to fill
  set_locks(Locks::kNoOfdLocks);
  std::vector<pid_t> children;
  for (int child = 0; child < 4; ++child) {
    children.push_back(start_child([&, child] {
      return checked([&] {
        WatchedCache cache(directory_.path());
        for (int i = 0; i < 5; ++i) EXPECT_EQ(cache.get(10 * child + i), Tier::kCompiled);
        EXPECT_GT(locks_refused(), 0);
        EXPECT_EQ(cache->counters().store_failures, 0);
        EXPECT_THAT(cache.warnings(), ElementsAre(HasSubstr("cannot be locked")));
      });
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  Store store(directory_.path());
  EXPECT_EQ(store.stat().entries, 21);
  EXPECT_THAT(store.verify(), IsEmpty());
}

// ---- a second copy of SQLite --------------------------------------------------------------------------------------

/// SQLite's code a second time, as a host program brings it, with its own lists of open files and locks.
class SecondSqlite {
 public:
  static bool is_built() { return *SECOND_SQLITE_PATH != '\0'; }
  SecondSqlite() : library_(::dlopen(SECOND_SQLITE_PATH, RTLD_NOW | RTLD_LOCAL)) {
    if (!library_) throw std::runtime_error(::dlerror());
    count_ = reinterpret_cast<int (*)(const char*)>(::dlsym(library_, "second_sqlite_count"));
    touch_ = reinterpret_cast<void (*)(const char*)>(::dlsym(library_, "second_sqlite_touch"));
    const auto code = reinterpret_cast<const char* (*)()>(::dlsym(library_, "second_sqlite_code"));
    if (!count_ || !touch_ || !code || code() == sqlite3_version)
      throw std::runtime_error("it is the SQLite that we use ourselves");
  }
  /// Opens and closes the file, which drops every POSIX lock that this process holds on it.
  void touch(const std::filesystem::path& file) const { touch_(file.c_str()); }
  /// Opens the file, counts the kernels in it, closes it; -1 if it was busy.
  int count(const std::filesystem::path& file) const { return count_(file.c_str()); }

 private:
  void* library_;
  int (*count_)(const char*);
  void (*touch_)(const char*);
};

/// While a reader is in its transaction, the other SQLite closes the file, which drops our SQLite's POSIX lock. A
/// writer in another process must wait nevertheless.
TEST_F(FaultyLocks, SecondSqliteThatClosesTheFileDoesNotLetAWriterIn) {
  if (!SecondSqlite::is_built()) GTEST_SKIP() << "there is no static SQLite (libsqlite3.a) on this machine";
  const SecondSqlite second;
  Store store(directory_.path());
  store.put(sample_entry(0));
  Signal go, inside, leave;
  const pid_t writer = start_child([&] {
    go.take();
    Store(directory_.path()).put(sample_entry(1));
    return 0;
  });
  std::thread reader([&] {
    const CompilerWish slow{.accepts = [&](const CompilerId&) {
      inside.give();
      leave.take();
      return true;
    }};
    EXPECT_TRUE(store.find(sample_fields(0), slow));
  });
  inside.take();
  EXPECT_EQ(second.count(store.path()), 1);
  go.give();
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  EXPECT_EQ(::waitpid(writer, nullptr, WNOHANG), 0) << "a writer got in while a reader was in its transaction";
  leave.give();
  reader.join();
  EXPECT_EQ(wait_for(writer), 0);
}

/// The other SQLite does not read here. If it read while this process writes, it would see our journal but not our lock
/// (a process never sees its own POSIX locks) and roll the journal back. The only protection against that is not to do
/// it.
TEST_F(FaultyLocks, SecondSqliteOpensAndClosesWhileProcessesWrite) {
  if (!SecondSqlite::is_built()) GTEST_SKIP() << "there is no static SQLite (libsqlite3.a) on this machine";
  const SecondSqlite second;
  constexpr int kProcesses = 3;
  constexpr int kEach = 25;
  Store(directory_.path()).put(sample_entry(0));
  std::vector<pid_t> children;
  for (int child = 0; child < kProcesses; ++child) {
    children.push_back(start_child([&, child] {
      return checked([&] {
        Store store(directory_.path(), [](const std::string& report) { ADD_FAILURE() << report; });
        std::atomic<bool> done{false};
        std::thread host([&] {
          while (!done) second.touch(store.path());
        });
        for (int i = 0; i < kEach; ++i) {
          const Entry entry = sample_entry(100 * (child + 1) + i, kNewCompiler, 20'000);
          store.put(entry);
          const std::optional<Entry> found = store.find(entry.fields, {});
          EXPECT_TRUE(found && found->image == entry.image);
        }
        done = true;
        host.join();
      });
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  Store store(directory_.path());
  EXPECT_EQ(store.stat().entries, 1 + kProcesses * kEach);
  EXPECT_THAT(store.verify(), IsEmpty());
}

}  // namespace
}  // namespace attnjit::cache
