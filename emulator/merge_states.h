// The operator merge_states with its kernel run on the emulator: the plan is the library's own, the tensors are the
// host's.
#pragma once

#include <memory>

#include "attnjit/merge_states.hpp"
#include "emulator/operator_run.h"
#include "runtime/merge_states_kernels.h"

namespace attnjit::emulator {

class EmulatedMergeStates {
 public:
  /// Throws what the operator throws for a config that no kernel serves.
  EmulatedMergeStates(KernelObjects& objects, const MergeStatesConfig& config, const runtime::SmFeatures& features);

  /// All pointers of `params` are of host memory. Throws what the operator's run() throws, and KernelFault.
  OperatorRun run(const MergeStatesParams& params, const LaunchOptions& options) const;

 private:
  KernelObjects& objects_;
  MergeStatesConfig config_;
  std::unique_ptr<runtime::MergeStatesKernels> kernels_;
};

}  // namespace attnjit::emulator
