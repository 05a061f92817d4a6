// Drops each barrier, wait and commit of mha_varlen's kernels: see mutation.h.
#include <gtest/gtest.h>

#include <vector>

#include "tests/emulator/cases.h"
#include "tests/emulator/mutation.h"
#include "tests/emulator/run_here.h"

namespace attnjit::emulator_tests {
namespace {

TEST(Mutation, EverySiteOfMhaVarlenIsMissed) {
  std::vector<MutationCase> cases;
  for (const gpu_tests::Case& c : mutation_cases()) {
    cases.push_back({c.name, c.seed, [c](const emulator::LaunchOptions& options, emulator::LaunchResult* result) {
                       const Judged judged = run_here(c, options);
                       if (result != nullptr) *result = judged.run.result;
                       return judged.trouble;
                     }});
  }
  expect_every_site_missed("sm80_mha_varlen", cases, 8);
}

}  // namespace
}  // namespace attnjit::emulator_tests
