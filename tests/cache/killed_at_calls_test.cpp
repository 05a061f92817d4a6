// A process is killed before each of its system calls in turn: the next process finds a sound store and has nothing to
// report.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "cache/store.h"
#include "tests/cache/faulty_calls.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;

class KilledAtEachCall : public ::testing::Test {
 protected:
  struct Scene {
    std::function<void(const std::filesystem::path&)> before;  // the folder before the process starts
    std::function<void(Store&)> work;
    std::function<void(Store&, const std::vector<std::string>& reports)> after;
  };

  /// Runs the scene in new folders until the process ends by itself; returns how often it was killed.
  static int run(const Scene& scene) {
    constexpr int kMostCalls = 2000;
    for (int call = 1; call <= kMostCalls; ++call) {
      TemporaryDirectory directory;
      scene.before(directory.path());
      const int status = run_child([&] {
        attnjit_kill_at_call(static_cast<unsigned long>(call), directory.path().c_str());
        Store store(directory.path(), [](const std::string&) {});
        scene.work(store);
        return 0;
      });
      SCOPED_TRACE(fmt::format("killed before call {}", call));
      std::vector<std::string> reports;
      Store store(directory.path(), [&](const std::string& report) { reports.push_back(report); });
      store.put(sample_entry(7));
      EXPECT_TRUE(store.find(sample_fields(7), {}));
      EXPECT_THAT(store.verify(), IsEmpty());
      scene.after(store, reports);
      EXPECT_THAT(names_in(directory.path()),
                  IsSubsetOf({"kernels-v1.lock", "kernels-v1.sqlite", "kernels-v1.sqlite.bad"}));
      if (status == 0 || ::testing::Test::HasFailure()) return call - 1;
      EXPECT_EQ(status, 1000 + SIGKILL);
    }
    ADD_FAILURE() << "no end after " << kMostCalls << " calls";
    return 0;
  }
};

TEST_F(KilledAtEachCall, OfMakingTheStore) {
  const int kills = run({
      .before = [](const std::filesystem::path&) {},
      .work = [](Store&) {},
      .after = [](Store&, const std::vector<std::string>& reports) { EXPECT_THAT(reports, IsEmpty()); },
  });
  EXPECT_GT(kills, 20);
}

TEST_F(KilledAtEachCall, OfAddingAKernel) {
  const int kills = run({
      .before =
          [](const std::filesystem::path& folder) { Store(folder, [](const std::string&) {}).put(sample_entry(1)); },
      .work = [](Store& store) { store.put(sample_entry(2)); },
      .after =
          [](Store& store, const std::vector<std::string>& reports) {
            EXPECT_TRUE(store.find(sample_fields(1), {}));
            EXPECT_THAT(reports, IsEmpty());
          },
  });
  EXPECT_GT(kills, 20);
}

TEST_F(KilledAtEachCall, OfReplacingADamagedStore) {
  const int kills = run({
      .before = [](const std::filesystem::path& folder) { std::ofstream(folder / "kernels-v1.sqlite") << "garbage\n"; },
      .work = [](Store&) {},
      .after =
          [](Store&, const std::vector<std::string>& reports) {
            // Reported again if an earlier report may not have been made.
            EXPECT_THAT(reports, Each(HasSubstr("damaged")));
          },
  });
  EXPECT_GT(kills, 20);
}

}  // namespace
}  // namespace attnjit::cache
