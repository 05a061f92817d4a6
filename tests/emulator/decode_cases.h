// The cases of mla_decode that run on the emulator: small ones, over few configs.
#pragma once

#include <vector>

#include "verify/mla_decode/case.h"

namespace attnjit::emulator_tests {

std::vector<gpu_tests::DecodeCase> emulated_decode_cases();
/// A few that meet every barrier, wait and commit of the kernels.
std::vector<gpu_tests::DecodeCase> decode_mutation_cases();

}  // namespace attnjit::emulator_tests
