// The Launcher interface, implemented by the emulator.
#pragma once

#include <vector>

#include "attnjit/workspace.hpp"
#include "emulator/operator_run.h"
#include "emulator/tensor_map.h"
#include "runtime/kernel_plan.h"
#include "runtime/launcher.h"

namespace attnjit::emulator {

class EmulatedLauncher final : public runtime::Launcher {
 public:
  EmulatedLauncher(KernelObjects& objects, const std::vector<runtime::KernelPlan>& plans, const LaunchOptions& options,
                   const Workspace& given = {}, EmulatedStream stream = new_stream())
      : objects_(objects), plans_(plans), options_(options), given_(given), stream_(stream) {}

  void encode(const runtime::TensorMapRequest& request, kernel::TensorMap& map) override {
    describe_tensor(request, map);
  }
  int tile_counter(int plan) override;
  /// The call's workspace if it has one, else memory filled with NaN. Throws std::invalid_argument if the call's is too
  /// small.
  void* workspace(std::size_t bytes) override;
  /// Runs the kernel to completion. Throws KernelFault, and whatever KernelObjects::get() throws.
  void launch(const runtime::Step& step, const void* args) override;

  const KernelObject& object(int plan) const { return objects_.get(plan_of(plan).spec, options_.race_check); }
  Grid grid(const runtime::Step& step) const {
    const runtime::KernelPlan& plan = plan_of(step.plan);
    return {step.ctas, plan.threads, static_cast<u32>(plan.smem_bytes)};
  }
  /// What has run so far.
  const OperatorRun& run() const { return run_; }

 private:
  struct alignas(16) Chunk {  // aligned like a workspace
    float values[4];
  };
  const runtime::KernelPlan& plan_of(int plan) const { return plans_[static_cast<std::size_t>(plan)]; }

  KernelObjects& objects_;
  const std::vector<runtime::KernelPlan>& plans_;
  const LaunchOptions& options_;
  Workspace given_;
  EmulatedStream stream_;
  std::vector<Chunk> workspace_;
  OperatorRun run_;
};

}  // namespace attnjit::emulator
