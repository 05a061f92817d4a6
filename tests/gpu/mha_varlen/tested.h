// mha_varlen as a test calls it.
#pragma once

#include <cuda.h>

#include <functional>
#include <memory>

#include "attnjit/context.hpp"
#include "attnjit/mha_varlen.hpp"
#include "operators/mha_varlen/kernels.h"
#include "verify/mha_varlen/case.h"

namespace attnjit::gpu_tests {

class TestedMhaVarlen {
 public:
  TestedMhaVarlen(const Context& context, const OperatorUse& use, Tiles tiles);
  /// Runs it and records which kernel ran.
  void run(const MhaVarlenParams& params, CUstream stream) const;

 private:
  OperatorUse use_;
  /// The public operator if the context's own features are used, else its implementation made with other features.
  std::function<void(const MhaVarlenParams&, Stream)> run_;
  std::shared_ptr<const runtime::MhaVarlenKernels> kernels_;
  runtime::Forced forced_;
};

/// The suite's own: the same operator for the same arguments.
const TestedMhaVarlen& tested_mha_varlen(const MhaVarlenConfig& config, Variant variant = Variant::kOwn,
                                         Tiles tiles = Tiles::kAsPlanned);

}  // namespace attnjit::gpu_tests
