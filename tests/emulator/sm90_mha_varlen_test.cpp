// The Hopper kernel on the emulator against the float64 reference, with copies and MMAs that finish early, late and at
// random times, and with the race check.
#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <string>

#include "tests/emulator/cases.h"
#include "tests/emulator/run_here.h"

namespace attnjit::emulator_tests {
namespace {

using emulator::Completion;

class EmulatedSm90MhaVarlen : public testing::TestWithParam<Sm90Case> {};

TEST_P(EmulatedSm90MhaVarlen, MatchesTheReference) {
  const Sm90Case& c = GetParam();
  for (const Completion completion : {Completion::kEarly, Completion::kLate, Completion::kRandom}) {
    const emulator::LaunchOptions options{.completion = completion, .seed = c.attention.seed};
    SCOPED_TRACE(testing::Message() << "completion " << to_string(completion) << ", seed " << options.seed);
    const Judged judged = run_here(c, options);
    EXPECT_EQ(judged.trouble, "");
    for (const emulator::KernelRun& kernel : judged.run.kernels) EXPECT_EQ(kernel.family, "sm90_mha_varlen");
  }
}

TEST_P(EmulatedSm90MhaVarlen, HasNoRace) {
  const emulator::LaunchOptions options{.seed = GetParam().attention.seed, .race_check = true};
  EXPECT_EQ(run_here(GetParam(), options).trouble, "");
}

/// Tiles that need no loads follow each other faster than the lanes of the producer warp can.
TEST(EmulatedSm90Producer, LanesThatLagBehindLoseNoPhase) {
  Sm90Case c = sm90_mutation_cases().back();
  ASSERT_EQ(c.attention.name, "tiles_without_keys");
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    ASSERT_EQ(run_here(c, {.seed = seed}).trouble, "") << "seed " << seed;
  }
}

std::string name_of(const testing::TestParamInfo<Sm90Case>& info) { return info.param.attention.name; }

INSTANTIATE_TEST_SUITE_P(Cases, EmulatedSm90MhaVarlen, testing::ValuesIn(sm90_cases()), name_of);

}  // namespace
}  // namespace attnjit::emulator_tests
