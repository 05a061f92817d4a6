// mla_decode as a test calls it.
#pragma once

#include <cuda.h>

#include <functional>
#include <memory>

#include "attnjit/context.hpp"
#include "attnjit/mla_decode.hpp"
#include "operators/mla_decode/kernels.h"
#include "verify/device.h"
#include "verify/mla_decode/case.h"

namespace attnjit::gpu_tests {

class TestedMlaDecode {
 public:
  /// Uses only the parts of the case that make an operator: config, variant, number of SMs.
  TestedMlaDecode(const Context& context, const DecodeCase& c);

  /// A workspace for calls within the bounds, full of NaN.
  DeviceBuffer workspace(const MlaDecodeBounds& bounds) const;
  /// Runs it with that workspace and records which kernels ran.
  void run(MlaDecodeParams params, const DeviceBuffer& workspace, CUstream stream) const;

 private:
  MlaDecodeConfig config_;
  /// The public operator if the context's own features are used, else its implementation made with other features.
  std::function<void(const MlaDecodeParams&, Stream)> run_;
  std::shared_ptr<const runtime::MlaDecodeKernels> kernels_;
};

/// The suite's own: the same operator for the same config, variant and number of SMs.
const TestedMlaDecode& tested_mla_decode(const DecodeCase& c);

}  // namespace attnjit::gpu_tests
