// mla_decode's kernels on the emulator against the float64 reference: the tables of decode_cases.h, each with
// asynchronous copies that land early, late and at random times; and with each barrier, wait and commit dropped.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/emulator/decode_cases.h"
#include "tests/emulator/mutation.h"
#include "tests/emulator/run_here.h"

namespace attnjit::emulator_tests {
namespace {

using emulator::Completion;
using gpu_tests::DecodeCase;

class EmulatedDecode : public testing::TestWithParam<DecodeCase> {};

TEST_P(EmulatedDecode, MatchesTheReference) {
  const DecodeCase& c = GetParam();
  for (const Completion completion : {Completion::kEarly, Completion::kLate, Completion::kRandom}) {
    const emulator::LaunchOptions options{.completion = completion, .seed = c.seed};
    SCOPED_TRACE(testing::Message() << "completion " << to_string(completion) << ", seed " << options.seed);
    EXPECT_EQ(run_here(c, options).trouble, "");
  }
}

TEST_P(EmulatedDecode, HasNoRace) {
  const emulator::LaunchOptions options{.seed = GetParam().seed, .race_check = true};
  EXPECT_EQ(run_here(GetParam(), options).trouble, "");
}

INSTANTIATE_TEST_SUITE_P(Cases, EmulatedDecode, testing::ValuesIn(emulated_decode_cases()),
                         [](const auto& test) { return test.param.name; });

TEST(Mutation, EverySiteOfDecodeIsMissed) {
  std::vector<MutationCase> cases;
  for (const DecodeCase& c : decode_mutation_cases()) {
    cases.push_back({c.name, c.seed, [c](const emulator::LaunchOptions& options, emulator::LaunchResult* result) {
                       const Judged judged = run_here(c, options);
                       if (result != nullptr) *result = judged.run;
                       return judged.trouble;
                     }});
  }
  expect_every_site_missed({"sm80_mla_decode", "sm80_mla_combine"}, cases);
}

}  // namespace
}  // namespace attnjit::emulator_tests
