// The mla_decode cases that run on the emulator: small, with few configs.
#pragma once

#include <vector>

#include "verify/mla_decode/case.h"

namespace attnjit::emulator_tests {

std::vector<gpu_tests::DecodeCase> emulated_decode_cases();
/// A few cases that reach every barrier, wait and commit of the kernels.
std::vector<gpu_tests::DecodeCase> decode_mutation_cases();

}  // namespace attnjit::emulator_tests
