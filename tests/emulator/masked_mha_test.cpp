// mask_from_topk and masked_mha on the emulator against the float64 reference with the same indices: the tables of
// cases.h, each with asynchronous copies that land early, late and at random times.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/emulator/cases.h"
#include "tests/emulator/mutation_case.h"
#include "tests/emulator/run_here.h"

namespace attnjit::emulator_tests {
namespace {

using emulator::Completion;
using gpu_tests::MaskedCase;

class EmulatedMaskedMha : public testing::TestWithParam<MaskedCase> {};

TEST_P(EmulatedMaskedMha, MatchesTheReference) {
  const MaskedCase& c = GetParam();
  for (const Completion completion : {Completion::kEarly, Completion::kLate, Completion::kRandom}) {
    const emulator::LaunchOptions options{.completion = completion, .seed = c.attention.seed};
    SCOPED_TRACE(testing::Message() << "completion " << to_string(completion) << ", seed " << options.seed);
    EXPECT_EQ(run_here(c, options).trouble, "");
  }
}

TEST_P(EmulatedMaskedMha, HasNoRace) {
  const emulator::LaunchOptions options{.seed = GetParam().attention.seed, .race_check = true};
  EXPECT_EQ(run_here(GetParam(), options).trouble, "");
}

std::string name_of(const testing::TestParamInfo<MaskedCase>& info) { return info.param.attention.name; }

INSTANTIATE_TEST_SUITE_P(Cases, EmulatedMaskedMha, testing::ValuesIn(emulated_masked_cases()), name_of);

TEST(Mutation, EverySiteOfMasksAndMaskedAttentionIsMissed) {
  std::vector<MutationCase> cases;
  for (const MaskedCase& c : masked_mutation_cases()) {
    cases.push_back(mutation_case(c.attention.name, c.attention.seed, c));
  }
  expect_every_site_missed({"mask_from_topk", "sm80_mha_varlen"}, cases);
}

}  // namespace
}  // namespace attnjit::emulator_tests
