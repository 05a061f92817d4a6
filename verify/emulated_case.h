// Runs a GPU suite case on the emulator and judges it by the same bar. Also used by `attnjit emulate`.
#pragma once

#include <optional>
#include <string>

#include "emulator/operator_run.h"
#include "runtime/sm_features.h"
#include "verify/masked_mha/case.h"
#include "verify/merge_states/case.h"
#include "verify/mha_varlen/case.h"
#include "verify/mla_decode/case.h"
#include "verify/reference/accuracy.h"

namespace attnjit::emulator_tests {

struct Judged {
  /// Empty if there was no fault and the output is within the bar and in the right place, else why not.
  std::string trouble;
  emulator::OperatorRun run;              // without what a fault prevented
  std::optional<reference::Verdict> out;  // of attention and merges
  std::optional<reference::Verdict> lse;
};

/// `features`: what to plan for if the case says kOwn; `ctas`: how many share all tiles, if the case does not say.
Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::Case& c, const runtime::SmFeatures& features,
                     const emulator::LaunchOptions& options, unsigned ctas = 0);
/// Builds the mask, then attends; judges the mask as well.
Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::MaskedCase& c,
                     const runtime::SmFeatures& features, const emulator::LaunchOptions& options, unsigned ctas = 0);
/// Builds the mask only.
Judged run_and_judge_mask(emulator::KernelObjects& objects, const gpu_tests::MaskedCase& c,
                          const runtime::SmFeatures& features, const emulator::LaunchOptions& options);
Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::DecodeCase& c,
                     const runtime::SmFeatures& features, const emulator::LaunchOptions& options);
Judged run_and_judge(emulator::KernelObjects& objects, const gpu_tests::MergeCase& c,
                     const runtime::SmFeatures& features, const emulator::LaunchOptions& options);

}  // namespace attnjit::emulator_tests
