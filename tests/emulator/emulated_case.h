// Runs a case of tests/gpu/case.h on the emulator and judges it by the same bar.
#pragma once

#include <string>

#include "emulator/mha_varlen.h"
#include "tests/gpu/case.h"

namespace attnjit::emulator_tests {

/// Objects that all tests of this build folder share.
emulator::KernelObjects& objects();

/// Empty if the output is within the bar and in the right place, else why not. A KernelFault is its message.
std::string run_and_judge(const gpu_tests::Case& c, const emulator::LaunchOptions& options,
                          emulator::LaunchResult* result = nullptr);

/// What to plan for where a case says kOwn.
runtime::SmFeatures own_features();

}  // namespace attnjit::emulator_tests
