#include "emulator/mha_varlen.h"

#include <chrono>

#include "emulator/tensor_map.h"
#include "runtime/mha_varlen_call.h"

namespace attnjit::emulator {

EmulatedMhaVarlen::EmulatedMhaVarlen(KernelObjects& objects, const MhaVarlenConfig& config,
                                     const runtime::SmFeatures& features, runtime::KeyMasking masking)
    : objects_(objects), config_(config), kernels_(runtime::choose_mha_varlen(config, features, masking)) {}

EmulatedMhaVarlen::Run EmulatedMhaVarlen::run(const MhaVarlenParams& params, const LaunchOptions& options) const {
  runtime::MhaVarlenCall call = runtime::check_mha_varlen(config_, params);
  return run(call, options);
}

EmulatedMhaVarlen::Run EmulatedMhaVarlen::run(runtime::MhaVarlenCall& call, const LaunchOptions& options) const {
  const runtime::MhaVarlenKernels::Launch launch_plan = kernels_->launch(call);
  Run run;
  if (launch_plan.ctas == 0) return run;
  run.plan = kernels_->plans()[static_cast<std::size_t>(launch_plan.plan)];
  run.grid = {launch_plan.ctas, run.plan.threads, static_cast<u32>(run.plan.smem_bytes)};
  run.object = &objects_.get(run.plan.spec, options.race_check);
  EmulatorServices services;
  runtime::MhaVarlenKernels::ParamsStorage storage;
  const void* const told = kernels_->params(call, launch_plan, services, storage);
  const auto start = std::chrono::steady_clock::now();
  run.result = launch(run.object->function, told, run.grid, options);
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return run;
}

}  // namespace attnjit::emulator
