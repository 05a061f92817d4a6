// The arguments of one merge_states call, checked and converted for the kernel.
#pragma once

#include "attnjit/merge_states.hpp"
#include "runtime/argument_check.h"
#include "templates/shared/merge_states_params.h"

namespace attnjit::runtime {

inline constexpr ArgumentCheck kMergeStates("merge_states");

/// Throws Error(kInvalidArgument) naming the tensor, dim and value, what is allowed and how to fix it.
kernel::MergeStatesParams check_merge_states(const MergeStatesConfig& config, const MergeStatesParams& params);
/// Checks the config alone, independent of any kernel.
void check_merge_states_config(const MergeStatesConfig& config);

}  // namespace attnjit::runtime
