// Runs a case of the GPU suite on the emulator and judges it by the same bar. Also what `attnjit emulate` does.
#pragma once

#include <optional>
#include <string>

#include "emulator/operator_run.h"
#include "runtime/sm_features.h"
#include "tests/gpu/case.h"
#include "tests/gpu/decode_case.h"
#include "tests/gpu/masked_case.h"
#include "tests/gpu/merge_case.h"
#include "tests/reference/accuracy.h"

namespace attnjit::emulator_tests {

struct Judged {
  /// Empty if there was no fault and the output is within the bar and in the right place, else why not.
  std::string trouble;
  emulator::OperatorRun run;              // without what a fault ended
  std::optional<reference::Verdict> out;  // of attention and merges
  std::optional<reference::Verdict> lse;
};

/// `features`: what to plan for where the case says kOwn; `ctas`: how many share all tiles, where the case does not say.
Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::Case& c, const runtime::SmFeatures& features,
                     const emulator::LaunchOptions& options, unsigned ctas = 0);
/// Makes the mask, then attends; the mask is judged as well.
Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::MaskedCase& c,
                     const runtime::SmFeatures& features, const emulator::LaunchOptions& options, unsigned ctas = 0);
/// Makes the mask only.
Judged run_and_judge_mask(emulator::KernelObjects& objects, const gpu_tests::MaskedCase& c,
                          const runtime::SmFeatures& features, const emulator::LaunchOptions& options);
Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::DecodeCase& c,
                     const runtime::SmFeatures& features, const emulator::LaunchOptions& options);
Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::MergeCase& c,
                     const runtime::SmFeatures& features, const emulator::LaunchOptions& options);

}  // namespace attnjit::emulator_tests
