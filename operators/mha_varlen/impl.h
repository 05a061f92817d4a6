// Implementation of attnjit::MhaVarlen: the chosen kernels, loaded.
#pragma once

#include "attnjit/mha_varlen.hpp"
#include "operators/loaded_operator.h"
#include "operators/mha_varlen/kernels.h"

namespace attnjit {

class ATTNJIT_LOCAL MhaVarlen::Impl {
 public:
  /// `features` are the context's own, or those of an older SM whose variants then run on this device.
  Impl(const Context& context, const MhaVarlenConfig& config, const runtime::SmFeatures& features,
       const runtime::Forced& forced = {});

  void run(const MhaVarlenParams& params, Stream stream) const;
  const MhaVarlenConfig& config() const { return config_; }

 private:
  MhaVarlenConfig config_;
  runtime::LoadedOperator<runtime::MhaVarlenCall> operator_;
};

}  // namespace attnjit
