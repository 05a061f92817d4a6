#include "emulator/mha_varlen.h"

#include "emulator/tensor_map.h"
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
  const runtime::MhaVarlenKernels::Launch planned = kernels_->launch(call);
  OperatorRun run;
  if (planned.ctas == 0) return run;
  EmulatorServices services;
  runtime::MhaVarlenKernels::ParamsStorage storage;
  const void* const told = kernels_->params(call, planned, services, storage);
  run.launch(objects_, kernels_->plans()[static_cast<std::size_t>(planned.plan)], planned.ctas, told, options);
  return run;
}

}  // namespace attnjit::emulator
