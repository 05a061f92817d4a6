#include "emulator/masked_mha.h"

#include "runtime/kernels/mask_from_topk.h"
#include "runtime/masked_mha_call.h"
#include "runtime/workspace.h"

namespace attnjit::emulator {

LaunchResult EmulatedMaskFromTopk::run(const MaskFromTopkParams& params, const LaunchOptions& options) const {
  runtime::MaskFromTopkCall call = runtime::check_mask_from_topk(params);
  return run(call, options);
}

LaunchResult EmulatedMaskFromTopk::run(runtime::MaskFromTopkCall& call, const LaunchOptions& options) const {
  const unsigned ctas = runtime::plan_mask_from_topk(call, features_);
  if (ctas == 0) return {};
  const runtime::KernelPlan plan = runtime::mask_from_topk_plan();
  return launch(objects_.get(plan.spec, options.race_check).function, &call.params,
                {ctas, plan.threads, static_cast<u32>(plan.smem_bytes)}, options);
}

LaunchResult EmulatedMaskedMha::run(const MaskedMhaParams& params, const LaunchOptions& options) const {
  runtime::MaskedMhaCall call = runtime::check_masked_mha(config_, params);
  LaunchResult result;
  if (call.build) {
    const runtime::ReservedWorkspaces none;
    runtime::place_mask(call, runtime::workspace_for_call(runtime::kMaskedMha, params.workspace, none, nullptr,
                                                          runtime::mask_bytes(*call.build)));
    result = mask_.run(*call.build, options);
  }
  const LaunchResult attention = attention_.run(call.attention, options).result;
  result.sync_sites.insert(result.sync_sites.end(), attention.sync_sites.begin(), attention.sync_sites.end());
  result.switches += attention.switches;
  return result;
}

}  // namespace attnjit::emulator
