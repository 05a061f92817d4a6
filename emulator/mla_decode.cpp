#include "emulator/mla_decode.h"

#include <algorithm>
#include <limits>

namespace attnjit::emulator {

EmulatedMlaDecode::EmulatedMlaDecode(KernelObjects& objects, const MlaDecodeConfig& config,
                                     const runtime::SmFeatures& features)
    : objects_(objects), config_(config), kernels_(runtime::choose_mla_decode(config, features)) {}

LaunchResult EmulatedMlaDecode::run(const MlaDecodeParams& params, const LaunchOptions& options) const {
  runtime::MlaDecodeCall call = runtime::check_mla_decode(config_, params);
  const runtime::MlaDecodeKernels::Launch steps = kernels_->launch(call);
  // Vectors of 16 bytes, for the alignment that workspace has.
  struct alignas(16) Chunk {
    float values[4];
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<Chunk> workspace(steps.workspace_bytes / sizeof(Chunk) + 1, Chunk{{kNan, kNan, kNan, kNan}});
  kernels_->set_workspace(call, workspace.data());

  LaunchResult all;
  for (int i = 0; i < steps.count; ++i) {
    const runtime::KernelPlan& plan = kernels_->plans()[static_cast<std::size_t>(steps.steps[i].plan)];
    const KernelObject& object = objects_.get(plan.spec, options.race_check);
    const Grid grid{steps.steps[i].ctas, plan.threads, static_cast<u32>(plan.smem_bytes)};
    const LaunchResult one = launch(object.function, &call.params, grid, options);
    all.switches += one.switches;
    all.sync_sites.insert(all.sync_sites.end(), one.sync_sites.begin(), one.sync_sites.end());
  }
  std::sort(all.sync_sites.begin(), all.sync_sites.end());
  all.sync_sites.erase(std::unique(all.sync_sites.begin(), all.sync_sites.end()), all.sync_sites.end());
  return all;
}

}  // namespace attnjit::emulator
