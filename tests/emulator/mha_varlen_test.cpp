// Kernel source on the emulator against the float64 reference: the tables of cases.h, each with asynchronous copies
// that land early, late and at random times.
#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "tests/emulator/cases.h"
#include "tests/emulator/run_here.h"

namespace attnjit::emulator_tests {
namespace {

using emulator::Completion;
using gpu_tests::Case;

class EmulatedMhaVarlen : public testing::TestWithParam<Case> {};

TEST_P(EmulatedMhaVarlen, MatchesTheReference) {
  const Case& c = GetParam();
  for (const Completion completion : {Completion::kEarly, Completion::kLate, Completion::kRandom}) {
    const emulator::LaunchOptions options{.completion = completion, .seed = c.seed};
    SCOPED_TRACE(testing::Message() << "completion " << to_string(completion) << ", seed " << options.seed);
    EXPECT_EQ(run_here(c, options).trouble, "");
  }
}

TEST_P(EmulatedMhaVarlen, HasNoRace) {
  const emulator::LaunchOptions options{.seed = GetParam().seed, .race_check = true};
  EXPECT_EQ(run_here(GetParam(), options).trouble, "");
}

std::string name_of(const testing::TestParamInfo<Case>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Cases, EmulatedMhaVarlen, testing::ValuesIn(emulated_cases()), name_of);

}  // namespace
}  // namespace attnjit::emulator_tests
