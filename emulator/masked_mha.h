// The operators mask_from_topk and masked_mha with their kernels run on the emulator: the plans are the library's own,
// the tensors are the host's.
#pragma once

#include "attnjit/masked_mha.hpp"
#include "emulator/mha_varlen.h"
#include "runtime/mask_from_topk_call.h"

namespace attnjit::emulator {

class EmulatedMaskFromTopk {
 public:
  EmulatedMaskFromTopk(KernelObjects& objects, const runtime::SmFeatures& features)
      : objects_(objects), features_(features) {}

  /// All pointers of `params` are of host memory. Throws what the operator's run() throws, and KernelFault.
  OperatorRun run(const MaskFromTopkParams& params, const LaunchOptions& options) const;
  OperatorRun run(runtime::MaskFromTopkCall& call, const LaunchOptions& options) const;

 private:
  KernelObjects& objects_;
  runtime::SmFeatures features_;
};

class EmulatedMaskedMha {
 public:
  /// Throws what the operator throws for a config that no kernel serves.
  EmulatedMaskedMha(KernelObjects& objects, const MaskedMhaConfig& config, const runtime::SmFeatures& features)
      : config_(config),
        mask_(objects, features),
        attention_(objects, config.attention, features, runtime::KeyMasking::kBitmask) {}

  /// As above. With indices it runs two kernels.
  OperatorRun run(const MaskedMhaParams& params, const LaunchOptions& options) const;

 private:
  MaskedMhaConfig config_;
  EmulatedMaskFromTopk mask_;
  EmulatedMhaVarlen attention_;
};

}  // namespace attnjit::emulator
