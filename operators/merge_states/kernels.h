// Which kernel serves a merge_states config: one table in order of preference, the generic kernel last.
#pragma once

#include <memory>
#include <vector>

#include "attnjit/merge_states.hpp"
#include "operators/kernel_family.h"
#include "operators/merge_states/call.h"

namespace attnjit::runtime {

using MergeStatesKernels = KernelSet<kernel::MergeStatesParams>;

using MergeStatesFamily = KernelFamily<MergeStatesConfig, MergeStatesKernels>;
const std::vector<MergeStatesFamily>& merge_states_families();

/// Returns the kernels of the first family that serves the config. Throws Error(kUnsupported) with each family's
/// reason.
std::unique_ptr<MergeStatesKernels> choose_merge_states(const MergeStatesConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
