#include "cache/key_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <thread>

#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using Outcome = KeyLock::Outcome;

class KeyLockTest : public ::testing::Test {
 protected:
  std::unique_ptr<KeyLock> lock(int number, std::chrono::milliseconds timeout = 0ms) {
    return std::make_unique<KeyLock>(path_, sample_fields(number).key(), timeout);
  }
  /// Whether another process gets the lock at once.
  bool free_elsewhere(int number) {
    return run_child([&] { return lock(number)->outcome() == Outcome::kHeld ? 0 : 1; }) == 0;
  }
  TemporaryDirectory directory_;
  const std::filesystem::path path_ = directory_ / "compile.lock";
};

TEST_F(KeyLockTest, FreeLockIsTakenWithoutWaiting) {
  const auto held = lock(0);
  EXPECT_EQ(held->outcome(), Outcome::kHeld);
  EXPECT_FALSE(held->waited());
  struct stat status = {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

/// A compiler or another program started meanwhile must not inherit the lock, which would then outlive its holder.
TEST_F(KeyLockTest, IsNotInheritedByAnotherProgram) {
  for (const char* const file : {"made", "found"}) {
    const auto held = lock(0);
    EXPECT_EQ(descriptor_flags(path_), std::vector{FD_CLOEXEC}) << file;
  }
}

TEST_F(KeyLockTest, ExcludesTheSameKeyOnly) {
  const auto held = lock(0);
  const auto second = lock(0);
  EXPECT_EQ(second->outcome(), Outcome::kTimedOut);
  EXPECT_TRUE(second->waited());
  EXPECT_EQ(lock(1)->outcome(), Outcome::kHeld);
  EXPECT_FALSE(free_elsewhere(0));
  EXPECT_TRUE(free_elsewhere(1));
}

TEST_F(KeyLockTest, IsFreeAgainAfterwards) {
  lock(0).reset();
  EXPECT_EQ(lock(0)->outcome(), Outcome::kHeld);
  EXPECT_TRUE(free_elsewhere(0));
}

TEST_F(KeyLockTest, ATimedOutLockDropsNothing) {
  const auto held = lock(0);
  lock(0).reset();
  EXPECT_FALSE(free_elsewhere(0));
}

TEST_F(KeyLockTest, TimeoutIsKept) {
  const auto held = lock(0);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(lock(0, 30ms)->outcome(), Outcome::kTimedOut);
  const auto spent = std::chrono::steady_clock::now() - start;
  EXPECT_GE(spent, 30ms);
  EXPECT_LT(spent, 10s);
}

/// For example a thread of another Context. It is not stopped, since this process is not.
TEST_F(KeyLockTest, AThreadOfThisProcessThatHoldsItIsWaitedFor) {
  auto held = lock(0);
  std::thread releases([&] {
    std::this_thread::sleep_for(400ms);
    held.reset();
  });
  EXPECT_EQ(lock(0, 100ms)->outcome(), Outcome::kHeld);
  releases.join();
}

TEST_F(KeyLockTest, OneThreadAtATime) {
  std::atomic<int> inside{0}, most{0}, passed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto held = lock(0, 20s);
      if (held->outcome() != Outcome::kHeld) return;
      const int now = ++inside;
      int seen = most;
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      std::this_thread::sleep_for(2ms);
      --inside;
      ++passed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 8);
  EXPECT_EQ(most, 1);
}

TEST_F(KeyLockTest, OneProcessAtATime) {
  // Each process adds 1 to a number in a file by reading and writing it: an overlap loses an addition.
  const std::filesystem::path number = directory_ / "number";
  std::ofstream(number) << 0;
  std::vector<pid_t> children;
  for (int child = 0; child < 8; ++child) {
    children.push_back(start_child([&] {
      for (int i = 0; i < 5; ++i) {
        const auto held = lock(0, 20s);
        if (held->outcome() != Outcome::kHeld) return 1;
        int value = 0;
        std::ifstream(number) >> value;
        ::usleep(1000);
        std::ofstream(number) << value + 1;
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  int value = 0;
  std::ifstream(number) >> value;
  EXPECT_EQ(value, 40);
}

TEST_F(KeyLockTest, WaiterGetsItWhenTheHolderDies) {
  Signal locked;
  const pid_t holder = start_child([&]() -> int {
    const auto held = lock(0);
    locked.give();
    ::usleep(100'000);
    ::_exit(held->outcome() == Outcome::kHeld ? 0 : 1);  // no destructor
  });
  locked.take();
  const auto held = lock(0, 20s);
  EXPECT_EQ(held->outcome(), Outcome::kHeld);
  EXPECT_TRUE(held->waited());
  EXPECT_EQ(wait_for(holder), 0);
}

TEST_F(KeyLockTest, ChildThatDestroysItsCopyLeavesTheParentsLock) {
  auto held = lock(0);
  ASSERT_EQ(0, run_child([&] { return held.reset(), 0; }));
  EXPECT_FALSE(free_elsewhere(0));
  EXPECT_EQ(lock(0)->outcome(), Outcome::kTimedOut);
}

/// The child shares the open file and therefore its locks, so it has to let go of the file.
TEST_F(KeyLockTest, AChildThatLivesOnDoesNotKeepTheLockOfAParentThatWasKilled) {
  Signal holds, stop;
  const pid_t parent = start_child([&] {
    const auto held = lock(0);
    const pid_t child = start_child([&] { return stop.take(), 0; });
    holds.give();
    return wait_for(child);
  });
  holds.take();
  ::kill(parent, SIGKILL);
  EXPECT_EQ(wait_for(parent), 1000 + SIGKILL);
  EXPECT_EQ(lock(0, 5s)->outcome(), Outcome::kHeld);
  stop.give();
}

TEST_F(KeyLockTest, ParentLetsGoEvenWhileAChildHasACopy) {
  auto held = lock(0);
  Signal leave;
  const pid_t child = start_child([&] {
    leave.take();
    return 0;
  });
  held.reset();
  EXPECT_TRUE(free_elsewhere(0));
  leave.give();
  EXPECT_EQ(wait_for(child), 0);
}

/// A holder writes a note into the file.
TEST_F(KeyLockTest, AFileWithASecondNameIsNoLockFile) {
  const std::filesystem::path precious = directory_ / "precious";
  std::ofstream(precious) << "precious";
  std::filesystem::create_hard_link(precious, directory_ / "compile.lock");
  const KeyLock lock(directory_ / "compile.lock", sample_fields(1).key(), std::chrono::milliseconds(0));
  EXPECT_EQ(lock.outcome(), KeyLock::Outcome::kUnavailable);
  EXPECT_NE(lock.why_not().find("has 2 names"), std::string::npos) << lock.why_not();
  EXPECT_EQ(std::filesystem::file_size(precious), 8u);
}

TEST_F(KeyLockTest, AFileThatOthersMayWriteIsNoLockFile) {
  std::ofstream(directory_ / "compile.lock") << "";
  std::filesystem::permissions(directory_ / "compile.lock", static_cast<std::filesystem::perms>(0666));
  const KeyLock lock(directory_ / "compile.lock", sample_fields(1).key(), std::chrono::milliseconds(0));
  EXPECT_EQ(lock.outcome(), KeyLock::Outcome::kUnavailable);
  EXPECT_NE(lock.why_not().find("everybody may write"), std::string::npos) << lock.why_not();
}

TEST_F(KeyLockTest, WithoutALockFileItIsUnavailableAtOnce) {
  const Key key = sample_fields().key();
  EXPECT_EQ(KeyLock(directory_ / "missing/compile.lock", key, 20s).outcome(), Outcome::kUnavailable);
  EXPECT_EQ(KeyLock(directory_.path(), key, 20s).outcome(), Outcome::kUnavailable);
  std::filesystem::create_symlink(directory_ / "elsewhere", directory_ / "link");
  EXPECT_EQ(KeyLock(directory_ / "link", key, 20s).outcome(), Outcome::kUnavailable);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "elsewhere"));
}

}  // namespace
}  // namespace attnjit::cache
