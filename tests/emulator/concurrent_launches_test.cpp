// Concurrent launches of one module on the emulator: CTAs of both interleave and take tiles of uneven length, and the
// module's tile counters are one array, as on a device.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/emulated_operator.h"
#include "templates/shared/sm90_mha_varlen_config.h"
#include "templates/shared/tile_counters.h"
#include "tests/emulator/run_here.h"
#include "verify/mha_varlen/tensors.h"
#include "verify/reference/cpu_kernels.h"

namespace attnjit::emulator_tests {
namespace {

using emulator::EmulatedMhaVarlen;
using emulator::EmulatedStream;
using emulator::PreparedLaunch;

gpu_tests::Case uneven_case(std::uint64_t seed) {
  gpu_tests::Case c;
  c.name = "uneven";
  c.config = {.head_dim_qk = 64, .head_dim_v = 64};
  c.len_q = {60, 64, 40, 64, 10, 64};
  c.len_k = {700, 64, 40, 64, 10, 64};
  c.heads = c.kv_heads = 2;
  c.tiles = gpu_tests::Tiles::kLarge;
  c.seed = seed;
  return c;
}

/// Three CTAs share the tiles of a launch.
EmulatedMhaVarlen operator_of(const gpu_tests::Case& c) {
  return {objects_here(), c.config, features_of(c.variant, c.tiles, features_here()), {.plan = 0, .ctas = 3}};
}

/// A case in host memory, and its results.
struct Running {
  explicit Running(std::uint64_t seed) : c(uneven_case(seed)), tensors(c, plain) {}

  std::string trouble() const {
    const gpu_tests::Output output = tensors.take_output();
    if (!output.wrong_place.empty()) return output.wrong_place;
    const auto out = judge_16bit(tensors.expected(), output.out_16bit);
    return out.ok() ? "" : out.message();
  }

  reference::CpuKernels plain;
  gpu_tests::Case c;
  gpu_tests::CaseTensors tensors;
};

int counter_of(const PreparedLaunch& prepared) {
  return static_cast<const kernel::Sm90MhaVarlenParams*>(prepared.args)->counter;
}

/// Runs two calls at once, each with its own operator on its own stream. Returns an empty string if both are right.
std::string run_two(EmulatedStream first_stream, EmulatedStream second_stream, std::uint64_t seed) {
  const Running first(seed), second(seed + 100);
  const EmulatedMhaVarlen first_op = operator_of(first.c);
  const EmulatedMhaVarlen second_op = operator_of(second.c);
  const PreparedLaunch launches[] = {first_op.prepare(first.tensors.params(), first_stream),
                                     second_op.prepare(second.tensors.params(), second_stream)};
  EXPECT_EQ(launches[0].object, launches[1].object) << "one module";
  try {
    emulator::launch_together({launches[0].launch(), launches[1].launch()}, {.seed = seed, .ctas_in_flight = 4});
  } catch (const emulator::KernelFault& fault) {
    return fault.what();
  }
  return first.trouble() + second.trouble();
}

constexpr std::uint64_t kSeeds = 3;

TEST(ConcurrentLaunches, OfTwoOperatorsOnTwoStreamsAreRight) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    EXPECT_EQ(run_two(emulator::new_stream(), emulator::new_stream(), seed), "") << "seed " << seed;
  }
}

TEST(ConcurrentLaunches, ThatAreCapturedAreRight) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    EXPECT_EQ(run_two(std::nullopt, std::nullopt, seed), "") << "seed " << seed;
  }
}

TEST(ConcurrentLaunches, ACapturedLaunchMayRunBesideItself) {
  // Two instances of a graph have the same parameters. They write the same results, and each writes all of them.
  const Running once(3);
  const EmulatedMhaVarlen op = operator_of(once.c);
  const PreparedLaunch captured = op.prepare(once.tensors.params(), std::nullopt);
  EXPECT_EQ(counter_of(captured), kernel::kNoTileCounter);
  emulator::launch_together({captured.launch(), captured.launch()}, {.seed = 3, .ctas_in_flight = 4});
  EXPECT_EQ(once.trouble(), "");
}

/// The tests above rely on this: launches that share a counter lose tiles.
TEST(ConcurrentLaunches, ThatShareACounterAreWrong) {
  int wrong = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const EmulatedStream stream = emulator::new_stream();
    if (!run_two(stream, stream, seed).empty()) ++wrong;
  }
  EXPECT_EQ(wrong, kSeeds) << "the emulator does not see that launches share a counter";
}

TEST(ConcurrentLaunches, HaveCtasOfTheSameSize) {
  const emulator::ConcurrentLaunch small{nullptr, nullptr, {.ctas = 1, .threads = 32, .smem_bytes = 0}};
  emulator::ConcurrentLaunch large = small;
  large.grid.threads = 64;
  EXPECT_THROW(emulator::launch_together({small, large}, {}), std::invalid_argument);
}

}  // namespace
}  // namespace attnjit::emulator_tests
