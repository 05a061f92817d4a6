// The cases that run on the emulator: small ones, over few configs, since each is compiled by the host's compiler.
#pragma once

#include <vector>

#include "tests/gpu/case.h"

namespace attnjit::emulator_tests {

std::vector<gpu_tests::Case> emulated_cases();
/// A few that meet every barrier, wait and commit of the kernels.
std::vector<gpu_tests::Case> mutation_cases();

}  // namespace attnjit::emulator_tests
