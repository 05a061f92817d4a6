// The operator mha_varlen with its kernels run on the emulator: the plan is the library's own, the tensors are the
// host's.
#pragma once

#include <memory>
#include <string>

#include "attnjit/mha_varlen.hpp"
#include "emulator/operator_run.h"
#include "emulator/tensor_map.h"
#include "runtime/mha_varlen_kernels.h"

namespace attnjit::emulator {

/// A call that is ready to be launched.
struct PreparedMhaVarlen {
  std::string family;
  const KernelObject* object = nullptr;
  Grid grid{.ctas = 0};  // no CTAs: there is nothing to do
  std::unique_ptr<runtime::MhaVarlenKernels::ParamsStorage> storage =
      std::make_unique<runtime::MhaVarlenKernels::ParamsStorage>();
  const void* params = nullptr;

  ConcurrentLaunch launch() const { return {object->function, params, grid}; }
};

class EmulatedMhaVarlen {
 public:
  /// Throws what the operator throws for a config that no kernel serves.
  EmulatedMhaVarlen(KernelObjects& objects, const MhaVarlenConfig& config, const runtime::SmFeatures& features,
                    runtime::KeyMasking masking = runtime::KeyMasking::kNone);

  /// All pointers of `params` are of host memory. Throws what the operator's run() throws, and KernelFault.
  OperatorRun run(const MhaVarlenParams& params, const LaunchOptions& options) const;
  /// Of a checked call, which has a mask where the kernels take one.
  OperatorRun run(runtime::MhaVarlenCall& call, const LaunchOptions& options) const;
  /// Everything but the launch, so that a test can run several at once.
  PreparedMhaVarlen prepare(runtime::MhaVarlenCall& call, EmulatedStream stream, bool race_check) const;
  PreparedMhaVarlen prepare(const MhaVarlenParams& params, EmulatedStream stream) const;

 private:
  KernelObjects& objects_;
  MhaVarlenConfig config_;
  std::unique_ptr<runtime::MhaVarlenKernels> kernels_;
};

}  // namespace attnjit::emulator
