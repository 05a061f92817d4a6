// Vandals attack the files of a store in use: each kind alone, and one after another. Whatever they do, no request
// fails and none takes long; as soon as the vandal is gone, kernels are kept again.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>

#include "cache/store.h"
#include "tests/cache/fleet.h"
#include "tests/cache/own_file_system.h"
#include "tests/cache/vandalism.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using ::testing::IsEmpty;

struct Siege {
  int processes = 16;
  milliseconds longest = 8s;    // of one strike
  milliseconds recovery = 30s;  // longest time until a kernel is kept again
};

/// In a child process: closing the files would drop this process's locks on them.
bool is_sound(const std::filesystem::path& directory) {
  return run_child([&] { return Store(directory).verify().empty() ? 0 : 1; }) == 0;
}

/// `root` is a folder of its own.
FleetResult run_siege(const std::filesystem::path& root, const std::vector<Vandalism>& kinds, const Siege& siege,
                      unsigned seed) {
  Scene scene{.directory = root / "cache", .random = std::minstd_rand(seed)};
  std::filesystem::create_directory(scene.directory);
  ::chmod(scene.directory.c_str(), 0700);
  const bool loses = std::any_of(kinds.begin(), kinds.end(),
                                 [](const Vandalism& kind) { return kind.kernels != Vandalism::Kernels::kKeeps; });
  Fleet fleet({.directory = scene.directory,
               .processes = siege.processes,
               .seed = seed,
               .open_pause = 100ms,
               .may_lose = loses});
  fleet.work(200ms);
  for (const Vandalism& kind : kinds) {
    kind.strike(scene);
    fleet.work(std::min(kind.lasts, siege.longest));
    if (kind.heal) kind.heal(scene);
    if (kind.kernels == Vandalism::Kernels::kLoses) {
      // What is kept in a damaged file is lost once some process finds the damage.
      milliseconds unsound{0};
      for (; !is_sound(scene.directory) && unsound < 5s; unsound += 50ms) fleet.work(50ms);
      if (unsound >= 5s) {
        fmt::print("{}: damage that nobody has met; the store is deleted\n", kind.name);
        std::filesystem::remove(scene.store());
      }
      fleet.forget_committed();
    }
    if (kind.kernels == Vandalism::Kernels::kHides) fleet.forget_committed(/*but_known=*/true);
    // Each process may have learned that waiting is in vain, and remembers that for 5 s.
    const std::size_t before = fleet.committed();
    milliseconds waited{0};
    for (; fleet.committed() < before + 5 && waited < siege.recovery; waited += 50ms) fleet.work(50ms);
    EXPECT_LT(waited, siege.recovery) << kind.name << ": nothing is kept any more";
    scene.held.reset();
    std::filesystem::remove_all(scene.away());
    std::filesystem::remove_all(root / "other");
  }
  FleetResult result = fleet.finish();
  if (loses) {
    std::erase_if(result.faults, [](const std::string& fault) {
      return fault.starts_with("kernels-v1.sqlite.bad") && fault.ends_with("was left behind");
    });
  }
  return result;
}

void expect_untouched(const std::vector<Vandalism>& kinds, const Siege& siege, unsigned seed) {
  const auto body = [&](const std::filesystem::path& root) {
    const FleetResult result = run_siege(root, kinds, siege, seed);
    EXPECT_THAT(result.faults, IsEmpty());
    fmt::print("{}\n", to_string(result));
    if (std::getenv("ATTNJIT_STORM_WARNINGS")) {
      for (const auto& [text, times] : result.warned) fmt::print("  {} x {}\n", times, text);
    }
  };
  TemporaryDirectory root;
  if (kinds.size() > 1 || std::string_view(kinds.front().name) != "DiskFull") {
    body(root.path());
    return;
  }
  const int status = with_file_system(
      root / "mounted", "16m", [&] { body(root / "mounted"); }, 120);
  if (status == kNotPossible) GTEST_SKIP() << kNoMount;
  EXPECT_EQ(status, 0);
}

TEST(CacheVandal, SomeKindsInTurn) {
  std::vector<Vandalism> kinds;
  for (const Vandalism& kind : vandalisms()) {
    constexpr std::string_view kChosen[] = {"StoreDeleted", "GarbageInTheMiddle", "FolderRenamed", "LocksDeleted",
                                            "ExclusiveLockForSeconds"};
    if (std::find(std::begin(kChosen), std::end(kChosen), kind.name) != std::end(kChosen)) kinds.push_back(kind);
  }
  ASSERT_EQ(kinds.size(), 5u);
  expect_untouched(kinds, {.processes = 8, .longest = 100ms}, storm_seed(3));
}

/// Run with `ctest -L long`; `--gtest_list_tests` names the kinds.
class CacheVandalLong : public ::testing::TestWithParam<std::size_t> {};

TEST_P(CacheVandalLong, IsNoticedByNoRequest) {
  expect_untouched({vandalisms()[GetParam()]}, {}, storm_seed(static_cast<unsigned>(100 + GetParam())));
}

INSTANTIATE_TEST_SUITE_P(Kinds, CacheVandalLong, ::testing::Range(std::size_t{0}, vandalisms().size()),
                         [](const auto& instance) { return vandalisms()[instance.param].name; });

TEST(CacheVandalLongMixed, AllKindsInAnyOrder) {
  const unsigned seed = storm_seed(4);
  std::vector<Vandalism> kinds = vandalisms();
  std::erase_if(kinds, [](const Vandalism& kind) { return std::string_view(kind.name) == "DiskFull"; });
  std::mt19937 random(seed);
  std::shuffle(kinds.begin(), kinds.end(), random);
  for (const Vandalism& kind : kinds) fmt::print("{} ", kind.name);
  fmt::print("\n");
  expect_untouched(kinds, {.processes = 64, .longest = 2s}, seed);
}

}  // namespace
}  // namespace attnjit::cache
