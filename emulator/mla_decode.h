// The operator mla_decode with its kernels run on the emulator: the plan is the library's own, the tensors are the
// host's.
#pragma once

#include <memory>
#include <vector>

#include "attnjit/mla_decode.hpp"
#include "emulator/operator_run.h"
#include "runtime/mla_decode_kernels.h"

namespace attnjit::emulator {

class EmulatedMlaDecode {
 public:
  /// Throws what the operator throws for a config that no kernel serves.
  EmulatedMlaDecode(KernelObjects& objects, const MlaDecodeConfig& config, const runtime::SmFeatures& features);

  /// All pointers of `params` are of host memory; the workspace is the emulator's own, and NaN before the call. Throws
  /// what the operator's run() throws, and KernelFault.
  OperatorRun run(const MlaDecodeParams& params, const LaunchOptions& options) const;

 private:
  KernelObjects& objects_;
  MlaDecodeConfig config_;
  std::unique_ptr<runtime::MlaDecodeKernels> kernels_;
};

}  // namespace attnjit::emulator
