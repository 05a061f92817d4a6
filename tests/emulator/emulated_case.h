// Runs a case of tests/gpu/case.h on the emulator and judges it by the same bar. Also what `attnjit emulate` does.
#pragma once

#include <optional>
#include <string>

#include "emulator/mha_varlen.h"
#include "tests/gpu/case.h"
#include "tests/gpu/case_tensors.h"
#include "tests/reference/accuracy.h"

namespace attnjit::emulator_tests {

struct Judged {
  /// Empty if there was no fault and the output is within the bar and in the right place, else why not.
  std::string trouble;
  emulator::EmulatedMhaVarlen::Run run;  // empty after a fault
  std::optional<reference::Verdict> out;
  std::optional<reference::Verdict> lse;
  double seconds = 0;  // that the kernel took, without compiling

  /// Holds an output against what is expected.
  void judge(const gpu_tests::Case& c, const gpu_tests::Output& output, const reference::Expected& expected);
};

/// `features`: what to plan for where the case says kOwn.
Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::Case& c, const runtime::SmFeatures& features,
                     const emulator::LaunchOptions& options);

}  // namespace attnjit::emulator_tests
