// Many processes find one damaged file at the same moment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "cache/ofd_lock.h"
#include "cache/store.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Lets processes look at a folder's store but not change it: a process that finds damage has to queue for the right to
/// repair it. So all processes have seen the same damage before the first one acts on it.
class OnlyLooking {
 public:
  explicit OnlyLooking(const std::filesystem::path& lock) : file_(open_lock_file(lock)) {
    EXPECT_EQ(lock_byte(file_.number(), LockMode::kShared, kGateByte, 0ms, {1ms, 1ms}), LockResult::kHeld);
  }
  ~OnlyLooking() { unlock_byte(file_.number(), kGateByte); }
  OnlyLooking(const OnlyLooking&) = delete;
  OnlyLooking& operator=(const OnlyLooking&) = delete;

 private:
  static constexpr std::uint64_t kGateByte = 1;  // as in cache/store_file.cpp
  FileDescriptor file_;
};

class StoreRace : public ::testing::Test {
 protected:
  static constexpr int kProcesses = 8;

  /// Each process opens the store and puts its own kernel. Returns what all of them reported, one line each.
  std::vector<std::string> open_and_put_at_once() {
    const std::filesystem::path log = elsewhere_ / "reports";
    Signal begun;
    std::vector<pid_t> children;
    {
      const OnlyLooking held(directory_ / "kernels-v1.lock");
      for (int child = 0; child < kProcesses; ++child) {
        children.push_back(start_child([&, child] {
          begun.give();
          Store store(directory_.path(),
                      [&](const std::string& report) { std::ofstream(log, std::ios::app) << report + "\n"; });
          store.put(sample_entry(child));
          return 0;
        }));
      }
      for (int child = 0; child < kProcesses; ++child) begun.take();
      std::this_thread::sleep_for(200ms);  // a slower process sees the repaired file, which is fine
      EXPECT_TRUE(before_ == read(file_)) << "it was repaired while others were looking";
    }
    for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
    std::vector<std::string> reports;
    std::ifstream lines(log);
    for (std::string line; std::getline(lines, line);) reports.push_back(line);
    return reports;
  }
  void write(const std::string& bytes) {
    before_ = bytes;
    std::ofstream(file_, std::ios::binary) << bytes;
  }
  static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void expect_all_kept() {
    Store store(directory_.path(), [](const std::string& report) { ADD_FAILURE() << report; });
    EXPECT_EQ(store.stat().entries, kProcesses);
    for (int number = 0; number < kProcesses; ++number) EXPECT_TRUE(store.find(sample_fields(number), {})) << number;
    EXPECT_THAT(store.verify(), IsEmpty());
  }

  TemporaryDirectory directory_, elsewhere_;
  const std::filesystem::path file_ = directory_ / "kernels-v1.sqlite";
  std::string before_;
};

TEST_F(StoreRace, GarbageIsSetAsideByOneOfEightProcesses) {
  write(std::string(20'000, '\x5a'));
  EXPECT_THAT(open_and_put_at_once(), ElementsAre(HasSubstr("damaged")));
  expect_all_kept();
  EXPECT_THAT(names_in(directory_.path()),
              ElementsAre("kernels-v1.lock", "kernels-v1.sqlite", "kernels-v1.sqlite.bad"));
  EXPECT_TRUE(read(directory_ / "kernels-v1.sqlite.bad") == before_) << "what was set aside is not the damaged file";
}

TEST_F(StoreRace, EmptyFileIsFilledByOneOfEightProcesses) {
  write("");
  EXPECT_THAT(open_and_put_at_once(), ElementsAre(HasSubstr("was empty")));
  expect_all_kept();
  EXPECT_THAT(names_in(directory_.path()), ElementsAre("kernels-v1.lock", "kernels-v1.sqlite"));
}

}  // namespace
}  // namespace attnjit::cache
