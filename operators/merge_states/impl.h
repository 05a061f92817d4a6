// Implementation of attnjit::MergeStates: the chosen kernel, loaded.
#pragma once

#include "attnjit/merge_states.hpp"
#include "operators/loaded_operator.h"
#include "operators/merge_states/kernels.h"

namespace attnjit {

class ATTNJIT_LOCAL MergeStates::Impl {
 public:
  /// `features` are the context's own, or those of an older SM whose variants then run on this device.
  Impl(const Context& context, const MergeStatesConfig& config, const runtime::SmFeatures& features);

  void run(const MergeStatesParams& params, Stream stream) const;
  const MergeStatesConfig& config() const { return config_; }

 private:
  MergeStatesConfig config_;
  runtime::LoadedOperator<kernel::MergeStatesParams> operator_;
};

}  // namespace attnjit
