#include "emulator/mla_decode.h"

#include <limits>

namespace attnjit::emulator {

EmulatedMlaDecode::EmulatedMlaDecode(KernelObjects& objects, const MlaDecodeConfig& config,
                                     const runtime::SmFeatures& features)
    : objects_(objects), config_(config), kernels_(runtime::choose_mla_decode(config, features)) {}

OperatorRun EmulatedMlaDecode::run(const MlaDecodeParams& params, const LaunchOptions& options) const {
  runtime::MlaDecodeCall call = runtime::check_mla_decode(config_, params);
  const runtime::MlaDecodeKernels::Launch steps = kernels_->launch(call);
  // Vectors of 16 bytes, for the alignment that workspace has.
  struct alignas(16) Chunk {
    float values[4];
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<Chunk> workspace(steps.workspace_bytes / sizeof(Chunk) + 1, Chunk{{kNan, kNan, kNan, kNan}});
  kernels_->set_workspace(call, workspace.data());

  OperatorRun run;
  for (int i = 0; i < steps.count; ++i) {
    const runtime::MlaDecodeKernels::Step& step = steps.steps[i];
    run.launch(objects_, kernels_->plans()[static_cast<std::size_t>(step.plan)], step.ctas, &call.params, options);
  }
  return run;
}

}  // namespace attnjit::emulator
