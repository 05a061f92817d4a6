// Drops each barrier, wait and commit of mha_varlen's kernels: see mutation.h.
#include <gtest/gtest.h>

#include <vector>

#include "tests/emulator/cases.h"
#include "tests/emulator/mutation_case.h"

namespace attnjit::emulator_tests {
namespace {

TEST(Mutation, EverySiteOfMhaVarlenIsMissed) {
  std::vector<MutationCase> cases;
  for (const gpu_tests::Case& c : mutation_cases()) cases.push_back(mutation_case(c.name, c.seed, c));
  expect_every_site_missed({"sm80_mha_varlen"}, cases);
}

TEST(Mutation, EverySiteOfTheHopperKernelIsMissed) {
  std::vector<MutationCase> cases;
  for (const Sm90Case& c : sm90_mutation_cases()) {
    cases.push_back(mutation_case(c.attention.name, c.attention.seed, c));
  }
  for (const gpu_tests::MaskedCase& c : sm90_masked_mutation_cases()) {
    cases.push_back(mutation_case(c.attention.name, c.attention.seed, c));
  }
  expect_every_site_missed({"sm90_mha_varlen"}, cases);
}

}  // namespace
}  // namespace attnjit::emulator_tests
