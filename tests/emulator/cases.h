// The cases that run on the emulator. They are small and use few configs, because the host compiler compiles each
// config.
#pragma once

#include <vector>

#include "verify/masked_mha/case.h"
#include "verify/mha_varlen/case.h"

namespace attnjit::emulator_tests {

std::vector<gpu_tests::Case> emulated_cases();
std::vector<gpu_tests::MaskedCase> emulated_masked_cases();
/// A case of the Hopper kernel. `sm_count` is what the plan assumes, and so sets how many CTAs share the tiles; 0: an
/// H200's.
struct Sm90Case {
  gpu_tests::Case attention;
  int sm_count = 0;
  int shared_by_ctas = 0;  // if fewer CTAs than planned are to share the tiles
};
/// How GoogleTest prints a case.
inline void PrintTo(const Sm90Case& c, std::ostream* stream) { PrintTo(c.attention, stream); }
std::vector<Sm90Case> sm90_cases();
std::vector<Sm90Case> sm90_mutation_cases();
/// A few cases that reach every barrier, wait and commit of the kernels.
std::vector<gpu_tests::Case> mutation_cases();
std::vector<gpu_tests::MaskedCase> masked_mutation_cases();
std::vector<gpu_tests::MaskedCase> sm90_masked_mutation_cases();

}  // namespace attnjit::emulator_tests
