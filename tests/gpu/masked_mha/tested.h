// mask_from_topk and masked_mha as a test calls them.
#pragma once

#include <cuda.h>

#include <functional>
#include <memory>

#include "attnjit/context.hpp"
#include "attnjit/masked_mha.hpp"
#include "operators/masked_mha/kernels.h"
#include "verify/masked_mha/tensors.h"
#include "verify/mha_varlen/case.h"

namespace attnjit::gpu_tests {

class TestedMaskedMha {
 public:
  TestedMaskedMha(const Context& context, const OperatorUse& use, Tiles tiles);
  /// Builds the mask if the case has one built, runs attention, and records which kernels ran.
  void run(const MaskedTensors& tensors, CUstream stream) const;
  /// Runs attention only.
  void run(const MaskedMhaParams& params, CUstream stream) const;
  /// Builds the mask only.
  void build(const MaskedTensors& tensors, CUstream stream) const;

 private:
  OperatorUse use_;
  MaskFromTopk build_;
  /// The public operator if the context's own features are used, else its implementation made with other features.
  std::function<void(const MaskedMhaParams&, Stream)> run_;
  std::shared_ptr<const runtime::MaskedMhaKernels> kernels_;
  runtime::Forced forced_;
};

/// The suite's own: the same operator for the same arguments.
const TestedMaskedMha& tested_masked_mha(const MaskedCase& c);
const TestedMaskedMha& tested_masked_mha(const MaskedMhaConfig& config);

}  // namespace attnjit::gpu_tests
