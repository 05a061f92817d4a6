// Inside of attnjit::MhaVarlen: the chosen kernels, loaded.
#pragma once

#include "attnjit/mha_varlen.hpp"
#include "runtime/context_impl.h"
#include "runtime/device_services.h"
#include "runtime/kernels/check_indices.h"
#include "runtime/loaded_kernels.h"
#include "runtime/mha_varlen_kernels.h"

namespace attnjit {

class ATTNJIT_LOCAL MhaVarlen::Impl {
 public:
  /// `features` are the context's own, or those of an older SM, whose variants then run on this device.
  Impl(const Context& context, const MhaVarlenConfig& config, const runtime::SmFeatures& features,
       runtime::KeyMasking masking = runtime::KeyMasking::kNone);

  void run(const MhaVarlenParams& params, Stream stream) const;
  /// The two halves of run(), for a checked call, which has a mask where the kernels take one: all that may be refused,
  /// and then the launch, with a context current.
  runtime::MhaVarlenKernels::Launch plan(runtime::MhaVarlenCall& call) const;
  void launch(const runtime::MhaVarlenKernels::Launch& launch, const runtime::MhaVarlenCall& call, Stream stream) const;
  const MhaVarlenConfig& config() const { return config_; }
  const runtime::MhaVarlenKernels& kernels() const { return *kernels_; }

 private:
  Context context_;
  MhaVarlenConfig config_;
  std::unique_ptr<runtime::MhaVarlenKernels> kernels_;
  runtime::LoadedKernels loaded_;             // one per plan
  std::optional<runtime::IndexCheck> check_;  // with debug_checks
};

}  // namespace attnjit
