// The operator mha_varlen with its kernels run on the emulator: the plan is the library's own, the tensors are the
// host's.
#pragma once

#include <memory>

#include "attnjit/mha_varlen.hpp"
#include "emulator/kernel_object.h"
#include "emulator/launch.h"
#include "runtime/mha_varlen_kernels.h"

namespace attnjit::emulator {

class EmulatedMhaVarlen {
 public:
  /// Throws what the operator throws for a config that no kernel serves.
  EmulatedMhaVarlen(KernelObjects& objects, const MhaVarlenConfig& config, const runtime::SmFeatures& features,
                    runtime::KeyMasking masking = runtime::KeyMasking::kNone);

  struct Run {
    runtime::KernelPlan plan;
    Grid grid;
    LaunchResult result;
    const KernelObject* object = nullptr;  // null: there was nothing to do
    double seconds = 0;                    // of the launch alone
  };
  /// All pointers of `params` are of host memory. Throws what the operator's run() throws, and KernelFault.
  Run run(const MhaVarlenParams& params, const LaunchOptions& options) const;
  /// Of a checked call, which has a mask where the kernels take one.
  Run run(runtime::MhaVarlenCall& call, const LaunchOptions& options) const;

 private:
  KernelObjects& objects_;
  MhaVarlenConfig config_;
  std::unique_ptr<runtime::MhaVarlenKernels> kernels_;
};

}  // namespace attnjit::emulator
