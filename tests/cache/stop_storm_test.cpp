// 64 processes on one store, killed and stopped at random moments: SIGKILL, and SIGSTOP for 0.2 to 60 s.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/cache/fleet.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using ::testing::IsEmpty;

struct Weather {
  milliseconds time;
  milliseconds between_kills, between_stops;  // twice the mean
  milliseconds shortest_stop, longest_stop;
};

void storm(int processes, const Weather& weather, unsigned seed) {
  TemporaryDirectory directory;
  Fleet fleet({.directory = directory.path(), .processes = processes, .seed = seed});
  std::mt19937 random(seed);
  const auto up_to = [&](milliseconds most) {
    return milliseconds(random() % static_cast<unsigned>(1 + most.count()));
  };
  // As many stops of 0.2 to 2 s as of 2 to 20 s.
  const auto stop_time = [&] {
    const double range = std::log(static_cast<double>(weather.longest_stop / weather.shortest_stop));
    const double share = std::generate_canonical<double, 32>(random);
    return milliseconds(std::lround(static_cast<double>(weather.shortest_stop.count()) * std::exp(range * share)));
  };
  milliseconds now{0}, kill{0}, stop{0};
  while (now < weather.time) {
    const milliseconds next = std::min({weather.time, kill, stop});
    if (next > now) fleet.work(next - now);
    now = next;
    if (now == kill) {
      fleet.kill_one();
      kill += 1ms + up_to(weather.between_kills);
    }
    if (now == stop) {
      fleet.stop_one(stop_time());
      stop += 1ms + up_to(weather.between_stops);
    }
  }
  const FleetResult result = fleet.finish();
  EXPECT_THAT(result.faults, IsEmpty());
  EXPECT_GT(result.compiled, processes / 4) << "the storm stood still";
  fmt::print("{} processes, {:.0f} s: {}\n", processes, weather.time / 1.0s, to_string(result));
  for (const auto& [text, times] : result.warned) fmt::print("  {} x {}\n", times, text);
}

TEST(CacheStopStorm, SixteenProcessesKilledAndStopped) { storm(16, {2s, 200ms, 200ms, 50ms, 400ms}, storm_seed(1)); }

/// Run with `ctest -L long`.
TEST(CacheStopStormLong, SixtyFourProcessesKilledAndStopped) {
  storm(64, {150s, 250ms, 1000ms, 200ms, 60s}, storm_seed(2026));
}

}  // namespace
}  // namespace attnjit::cache
