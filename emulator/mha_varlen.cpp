#include "emulator/mha_varlen.h"

#include "runtime/mha_varlen_call.h"

namespace attnjit::emulator {

EmulatedMhaVarlen::EmulatedMhaVarlen(KernelObjects& objects, const MhaVarlenConfig& config,
                                     const runtime::SmFeatures& features, runtime::KeyMasking masking)
    : objects_(objects), config_(config), kernels_(runtime::choose_mha_varlen(config, features, masking)) {}

OperatorRun EmulatedMhaVarlen::run(const MhaVarlenParams& params, const LaunchOptions& options) const {
  runtime::MhaVarlenCall call = runtime::check_mha_varlen(config_, params);
  return run(call, options);
}

OperatorRun EmulatedMhaVarlen::run(runtime::MhaVarlenCall& call, const LaunchOptions& options) const {
  const PreparedMhaVarlen prepared = prepare(call, new_stream(), options.race_check);
  OperatorRun run;
  if (prepared.grid.ctas > 0) run.launch(prepared.family, *prepared.object, prepared.grid, prepared.params, options);
  return run;
}

PreparedMhaVarlen EmulatedMhaVarlen::prepare(runtime::MhaVarlenCall& call, EmulatedStream stream,
                                             bool race_check) const {
  PreparedMhaVarlen prepared;
  const runtime::MhaVarlenKernels::Launch planned = kernels_->launch(call);
  if (planned.ctas == 0) return prepared;
  const runtime::KernelPlan& plan = kernels_->plans()[static_cast<std::size_t>(planned.plan)];
  prepared.family = plan.spec.family;
  prepared.object = &objects_.get(plan.spec, race_check);
  prepared.grid = {planned.ctas, plan.threads, static_cast<u32>(plan.smem_bytes)};
  EmulatorServices services(*prepared.object->tile_counters, stream);
  prepared.params = kernels_->params(call, planned, services, *prepared.storage);
  return prepared;
}

PreparedMhaVarlen EmulatedMhaVarlen::prepare(const MhaVarlenParams& params, EmulatedStream stream) const {
  runtime::MhaVarlenCall call = runtime::check_mha_varlen(config_, params);
  return prepare(call, stream, /*race_check=*/false);
}

}  // namespace attnjit::emulator
