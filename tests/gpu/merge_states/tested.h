// merge_states as a test calls it.
#pragma once

#include <cuda.h>

#include <functional>
#include <memory>

#include "attnjit/context.hpp"
#include "operators/merge_states/kernels.h"
#include "verify/merge_states/case.h"

namespace attnjit::gpu_tests {

class TestedMergeStates {
 public:
  TestedMergeStates(const Context& context, const MergeStatesConfig& config, Variant variant);
  /// Runs it and records which kernel ran.
  void run(const MergeStatesParams& params, CUstream stream) const;

 private:
  MergeStatesConfig config_;
  /// The public operator if the context's own features are used, else its implementation made with other features.
  std::function<void(const MergeStatesParams&, Stream)> run_;
  std::shared_ptr<const runtime::MergeStatesKernels> kernels_;
};

/// The suite's own: the same operator for the same arguments.
const TestedMergeStates& tested_merge_states(const MergeStatesConfig& config, Variant variant = Variant::kOwn);

}  // namespace attnjit::gpu_tests
