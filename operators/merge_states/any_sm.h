// Host half of templates/kernels/merge_states.cuh, which serves every config on every SM.
#pragma once

#include "operators/merge_states/kernels.h"

namespace attnjit::runtime {

std::string generic_merge_states_refusal(const MergeStatesConfig& config, const SmFeatures& features);
std::unique_ptr<MergeStatesKernels> make_generic_merge_states(const MergeStatesConfig& config,
                                                              const SmFeatures& features);

}  // namespace attnjit::runtime
