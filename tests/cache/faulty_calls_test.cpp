// System calls that fail at random in every other process of a fleet: its requests are served all the same, and the
// other processes notice nothing.
#include "tests/cache/faulty_calls.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "tests/cache/fleet.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;

struct Trouble {
  int processes;
  std::chrono::milliseconds time;
  unsigned per_million;
  bool kills = false;
};

void run_with_faulty_calls(const Trouble& trouble, unsigned seed) {
  TemporaryDirectory directory;
  Fleet fleet({.directory = directory.path(),
               .processes = trouble.processes,
               .seed = seed,
               .open_pause = 200ms,
               .at_start = [&](int index) {
                 // The first half, so that both halves have all kinds of processes.
                 if (index % trouble.processes >= trouble.processes / 2) return;
                 attnjit_arm_faulty_calls(seed * 1000 + static_cast<unsigned>(index), trouble.per_million,
                                          directory.path().c_str());
               }});
  for (auto time = 0ms; time < trouble.time; time += 200ms) {
    fleet.work(200ms);
    if (trouble.kills) fleet.kill_one();
  }
  FleetResult result = fleet.finish();
  for (const auto& [text, times] : result.warned) {
    // A failing call is no evidence against the file.
    if (text.find("damaged") != std::string::npos || text.find("bad row") != std::string::npos) {
      result.faults.push_back(text);
    }
  }
  EXPECT_THAT(result.faults, IsEmpty());
  fmt::print("{} processes, {} per million, {} calls failed: {}\n", trouble.processes, trouble.per_million,
             attnjit_failed_calls(nullptr), to_string(result));
  for (const char* kind : {"open", "close", "read", "write", "sync", "lock", "unlock", "stat", "unlink"}) {
    if ((trouble.time < 10s || trouble.per_million < 10'000) && std::string_view(kind) == "unlink")
      continue;  // only the journal is deleted
    EXPECT_GT(attnjit_failed_calls(kind), 0) << kind << ": is it still ours that is called?";
    fmt::print("  {} {}", attnjit_failed_calls(kind), kind);
  }
  fmt::print("\n");
  if (std::getenv("ATTNJIT_STORM_WARNINGS")) {
    for (const auto& [text, times] : result.warned) fmt::print("  {} x {}\n", times, text);
  }
}

TEST(CacheFaultyCalls, AreNoticedByNoRequest) {
  run_with_faulty_calls({.processes = 8, .time = 2s, .per_million = 20'000}, storm_seed(5));
}

TEST(CacheFaultyCallsLong, SeldomInSixtyFourProcesses) {
  run_with_faulty_calls({.processes = 64, .time = 60s, .per_million = 2'000}, storm_seed(6));
}
TEST(CacheFaultyCallsLong, OftenInSixtyFourProcesses) {
  run_with_faulty_calls({.processes = 64, .time = 60s, .per_million = 100'000}, storm_seed(7));
}
TEST(CacheFaultyCallsLong, AndKills) {
  run_with_faulty_calls({.processes = 64, .time = 60s, .per_million = 20'000, .kills = true}, storm_seed(8));
}

}  // namespace
}  // namespace attnjit::cache
