// Inside of attnjit::MaskedMha: attention by the kernels that take a mask, and the kernel that makes one.
#pragma once

#include "attnjit/masked_mha.hpp"
#include "runtime/mha_varlen_impl.h"
#include "runtime/workspace.h"

namespace attnjit {

class ATTNJIT_LOCAL MaskedMha::Impl {
 public:
  /// `features` are the context's own, or those of an older SM, whose variants then run on this device.
  Impl(const Context& context, const MaskedMhaConfig& config, const runtime::SmFeatures& features);

  void run(const MaskedMhaParams& params, Stream stream) const;
  void reserve(Stream stream, const MaskedMhaBounds& bounds) const;
  void release(Stream stream) const;
  const MaskedMhaConfig& config() const { return config_; }

 private:
  Context context_;
  MaskedMhaConfig config_;
  runtime::SmFeatures features_;
  MhaVarlen::Impl attention_;
  runtime::LoadedKernels mask_;
  std::optional<runtime::IndexCheck> check_;  // with debug_checks
  mutable runtime::ReservedWorkspaces reserved_{runtime::kMaskedMha};
};

}  // namespace attnjit
