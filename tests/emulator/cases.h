// The cases that run on the emulator: small ones, over few configs, since each is compiled by the host's compiler.
#pragma once

#include <vector>

#include "tests/gpu/case.h"
#include "tests/gpu/masked_case.h"

namespace attnjit::emulator_tests {

std::vector<gpu_tests::Case> emulated_cases();
std::vector<gpu_tests::MaskedCase> emulated_masked_cases();
/// A few that meet every barrier, wait and commit of the kernels.
std::vector<gpu_tests::Case> mutation_cases();
std::vector<gpu_tests::MaskedCase> masked_mutation_cases();

}  // namespace attnjit::emulator_tests
