// run_and_judge() as the tests call it: with the objects of this build folder, planned for an H200.
#pragma once

#include "tests/emulator/emulated_case.h"

namespace attnjit::emulator_tests {

inline Judged run_here(const gpu_tests::Case& c, const emulator::LaunchOptions& options) {
  static emulator::KernelObjects objects{ATTNJIT_EMULATOR_OBJECTS};
  return run_and_judge(objects, c, runtime::sm_features({9, 0, 'a'}), options);
}

}  // namespace attnjit::emulator_tests
