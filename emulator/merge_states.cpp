#include "emulator/merge_states.h"

#include "runtime/merge_states_call.h"

namespace attnjit::emulator {

EmulatedMergeStates::EmulatedMergeStates(KernelObjects& objects, const MergeStatesConfig& config,
                                         const runtime::SmFeatures& features)
    : objects_(objects), config_(config), kernels_(runtime::choose_merge_states(config, features)) {}

LaunchResult EmulatedMergeStates::run(const MergeStatesParams& params, const LaunchOptions& options) const {
  const kernel::MergeStatesParams call = runtime::check_merge_states(config_, params);
  const unsigned ctas = kernels_->ctas(call);
  if (ctas == 0) return {};
  const runtime::KernelPlan& plan = kernels_->plans()[0];
  const KernelObject& object = objects_.get(plan.spec, options.race_check);
  return launch(object.function, &call, {ctas, plan.threads, static_cast<u32>(plan.smem_bytes)}, options);
}

}  // namespace attnjit::emulator
