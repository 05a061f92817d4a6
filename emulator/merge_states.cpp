#include "emulator/merge_states.h"

#include "runtime/merge_states_call.h"

namespace attnjit::emulator {

EmulatedMergeStates::EmulatedMergeStates(KernelObjects& objects, const MergeStatesConfig& config,
                                         const runtime::SmFeatures& features)
    : objects_(objects), config_(config), kernels_(runtime::choose_merge_states(config, features)) {}

OperatorRun EmulatedMergeStates::run(const MergeStatesParams& params, const LaunchOptions& options) const {
  const kernel::MergeStatesParams call = runtime::check_merge_states(config_, params);
  const unsigned ctas = kernels_->ctas(call);
  OperatorRun run;
  if (ctas > 0) run.launch(objects_, kernels_->plans()[0], ctas, &call, options);
  return run;
}

}  // namespace attnjit::emulator
