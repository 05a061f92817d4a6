#include "emulator/masked_mha.h"

#include "runtime/kernels/mask_from_topk.h"
#include "runtime/masked_mha_call.h"
#include "runtime/workspace.h"

namespace attnjit::emulator {

OperatorRun EmulatedMaskFromTopk::run(const MaskFromTopkParams& params, const LaunchOptions& options) const {
  runtime::MaskFromTopkCall call = runtime::check_mask_from_topk(params);
  return run(call, options);
}

OperatorRun EmulatedMaskFromTopk::run(runtime::MaskFromTopkCall& call, const LaunchOptions& options) const {
  OperatorRun run;
  const unsigned ctas = runtime::plan_mask_from_topk(call, features_);
  if (ctas > 0) run.launch(objects_, runtime::mask_from_topk_plan(), ctas, &call.params, options);
  return run;
}

OperatorRun EmulatedMaskedMha::run(const MaskedMhaParams& params, const LaunchOptions& options) const {
  runtime::MaskedMhaCall call = runtime::check_masked_mha(config_, params);
  OperatorRun run;
  if (call.build) {
    const runtime::ReservedWorkspaces none(runtime::kMaskedMha);
    runtime::place_mask(call, runtime::workspace_for_call(runtime::kMaskedMha, params.workspace, none, nullptr,
                                                          runtime::mask_bytes(*call.build))
                                  .data);
    run = mask_.run(*call.build, options);
  }
  run.add(attention_.run(call.attention, options));
  return run;
}

}  // namespace attnjit::emulator
