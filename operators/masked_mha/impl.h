// Implementation of attnjit::MaskedMha: the chosen kernels, loaded, and the reserved workspaces.
#pragma once

#include "attnjit/masked_mha.hpp"
#include "operators/loaded_operator.h"
#include "operators/masked_mha/kernels.h"

namespace attnjit {

class ATTNJIT_LOCAL MaskedMha::Impl {
 public:
  /// `features` are the context's own, or those of an older SM whose variants then run on this device.
  Impl(const Context& context, const MaskedMhaConfig& config, const runtime::SmFeatures& features,
       const runtime::Forced& forced = {});

  void run(const MaskedMhaParams& params, Stream stream) const;
  void reserve(Stream stream, const MaskedMhaBounds& bounds) const {
    operator_.reserve(stream, runtime::mask_bytes(bounds));
  }
  void release(Stream stream) const { operator_.release(stream); }
  const MaskedMhaConfig& config() const { return config_; }

 private:
  MaskedMhaConfig config_;
  runtime::LoadedOperator<runtime::MaskedMhaCall> operator_;
};

}  // namespace attnjit
