// The order in which threads run: random, the same for the same seed, with CTAs interleaved.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "ptx/memory.cuh"
#include "tests/emulator/planted.h"

namespace attnjit::emulator_tests {
namespace {

using namespace kernel;  // NOLINT: what follows is kernel text
using emulator::Grid;
using emulator::LaunchOptions;
using emulator::SyncSite;

struct Log {
  std::vector<int>* entries;
};

void note_thread(const Log& log) {
  const int thread = static_cast<int>(block_index()) * 64 + thread_index();
  log.entries->push_back(thread);
  sync_block();
  log.entries->push_back(thread);
}

std::vector<int> order(const LaunchOptions& options, u32 ctas = 3) {
  std::vector<int> entries;
  EXPECT_FALSE((run_planted<Log, note_thread>({&entries}, {.ctas = ctas, .threads = 64, .smem_bytes = 16}, options)));
  return entries;
}

TEST(Scheduler, EveryThreadRunsOnceAndTheSeedSaysInWhichOrder) {
  const std::vector<int> first = order({.seed = 1});
  EXPECT_EQ(first.size(), 2u * 3 * 64);
  EXPECT_EQ(std::set<int>(first.begin(), first.end()).size(), 3u * 64);
  EXPECT_EQ(first, order({.seed = 1}));
  EXPECT_NE(first, order({.seed = 2}));
}

TEST(Scheduler, CtasRunInterleaved) {
  const auto changes_of_block = [](const std::vector<int>& entries) {
    int changes = 0;
    for (std::size_t i = 1; i < entries.size(); ++i) changes += entries[i] / 64 != entries[i - 1] / 64 ? 1 : 0;
    return changes;
  };
  EXPECT_EQ(changes_of_block(order({.ctas_in_flight = 1})), 2);
  EXPECT_GT(changes_of_block(order({.ctas_in_flight = 3})), 2);
}

TEST(Scheduler, NoCtaIsNoWork) { EXPECT_TRUE(order({}, 0).empty()); }

TEST(Scheduler, RefusesCtasThatAreNoWholeWarps) {
  EXPECT_THROW((run_planted<Log, note_thread>({nullptr}, {.ctas = 1, .threads = 33, .smem_bytes = 0})),
               std::invalid_argument);
}

TEST(Scheduler, DroppedSiteDoesNothingAndIsStillListed) {
  std::vector<int> entries;
  const Log log{&entries};
  const Grid grid{.ctas = 1, .threads = 64, .smem_bytes = 16};
  const auto result = launch(&planted_entry<Log, note_thread>, &log, grid, {});
  ASSERT_EQ(result.sync_sites.size(), 1u);
  EXPECT_EQ(result.sync_sites[0].what, "sync_block");
  EXPECT_NE(result.sync_sites[0].file.find("scheduler_test.cpp"), std::string::npos);

  // Without the barrier, each thread's two entries are adjacent.
  entries.clear();
  const auto dropped = launch(&planted_entry<Log, note_thread>, &log, grid, {.dropped = result.sync_sites[0]});
  EXPECT_EQ(dropped.sync_sites, result.sync_sites);
  for (std::size_t i = 0; i < entries.size(); i += 2) EXPECT_EQ(entries[i], entries[i + 1]);
}

TEST(Scheduler, TraceHasWhatTheFirstLaneOfEachWarpDid) {
  std::vector<emulator::TraceEvent> trace;
  order({.trace = &trace, .traced_block = 1});
  ASSERT_EQ(trace.size(), 4u);  // two warps: a barrier, an exit
  for (const auto& event : trace) EXPECT_EQ(event.block, 1u);
  EXPECT_EQ(trace[0].what, "sync_block");
  EXPECT_EQ(trace[3].what, "exit");
}

}  // namespace
}  // namespace attnjit::emulator_tests
