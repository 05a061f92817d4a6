// Drops each barrier, wait and commit of mha_varlen's kernels: see mutation.h.
#include <gtest/gtest.h>

#include <vector>

#include "tests/emulator/cases.h"
#include "tests/emulator/mutation.h"
#include "tests/emulator/run_here.h"

namespace attnjit::emulator_tests {
namespace {

/// A case of an mha_varlen kernel that runs and judges itself.
template <class AnyCase>
MutationCase mutation_case(const std::string& name, std::uint64_t seed, const AnyCase& c) {
  return {name, seed, [c](const emulator::LaunchOptions& options, emulator::LaunchResult* result) {
            const Judged judged = run_here(c, options);
            if (result != nullptr) *result = judged.run;
            return judged.trouble;
          }};
}

TEST(Mutation, EverySiteOfMhaVarlenIsMissed) {
  std::vector<MutationCase> cases;
  for (const gpu_tests::Case& c : mutation_cases()) cases.push_back(mutation_case(c.name, c.seed, c));
  expect_every_site_missed("sm80_mha_varlen", cases, 8);
}

TEST(Mutation, EverySiteOfTheHopperKernelIsMissed) {
  std::vector<MutationCase> cases;
  for (const Sm90Case& c : sm90_mutation_cases()) {
    cases.push_back(mutation_case(c.attention.name, c.attention.seed, c));
  }
  expect_every_site_missed("sm90_mha_varlen", cases, 30);
}

}  // namespace
}  // namespace attnjit::emulator_tests
