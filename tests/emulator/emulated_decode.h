// Runs a case of tests/gpu/decode_case.h on the emulator and judges it by the same bar.
#pragma once

#include <string>

#include "emulator/mla_decode.h"
#include "tests/gpu/decode_case.h"

namespace attnjit::emulator_tests {

/// Empty if there was no fault and the output is within the bar and in the right place, else why not.
std::string run_decode_here(const gpu_tests::DecodeCase& c, const emulator::LaunchOptions& options,
                            emulator::LaunchResult* result = nullptr);

}  // namespace attnjit::emulator_tests
