// How the tests run kernels: with the objects of this build folder, planned for an H200.
#pragma once

#include "tests/emulator/cases.h"
#include "verify/emulated_case.h"

namespace attnjit::emulator_tests {

inline emulator::KernelObjects& objects_here() {
  static emulator::KernelObjects objects{ATTNJIT_EMULATOR_OBJECTS};
  return objects;
}
inline runtime::SmFeatures features_here() { return runtime::sm_features({9, 0, 'a'}); }

template <class AnyCase>
Judged run_here(const AnyCase& c, const emulator::LaunchOptions& options) {
  return run_and_judge(objects_here(), c, features_here(), options);
}

inline Judged run_here(const Sm90Case& c, const emulator::LaunchOptions& options) {
  runtime::SmFeatures features = runtime::sm_features({9, 0, 'a'});
  if (c.sm_count > 0) features.sm_count = c.sm_count;
  return run_and_judge(objects_here(), c.attention, features, options, static_cast<unsigned>(c.shared_by_ctas));
}

}  // namespace attnjit::emulator_tests
