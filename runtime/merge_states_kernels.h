// Which kernel serves a merge_states config: one table, in order of preference, the generic kernel last.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attnjit/merge_states.hpp"
#include "runtime/kernel_plan.h"
#include "runtime/merge_states_call.h"
#include "runtime/sm_features.h"

namespace attnjit::runtime {

/// The kernel of one operator, and how a call is launched.
class MergeStatesKernels {
 public:
  virtual ~MergeStatesKernels() = default;
  /// One.
  virtual const std::vector<KernelPlan>& plans() const = 0;
  /// CTAs of plans()[0]; 0: nothing to do.
  virtual unsigned ctas(const kernel::MergeStatesParams& call) const = 0;
};

/// A row of the table: one kernel family.
struct MergeStatesFamily {
  const char* name;
  /// Empty if the family serves the config, else why not.
  std::string (*refusal)(const MergeStatesConfig& config, const SmFeatures& features);
  std::unique_ptr<MergeStatesKernels> (*make)(const MergeStatesConfig& config, const SmFeatures& features);
};

const std::vector<MergeStatesFamily>& merge_states_families();

/// The first family that serves the config. Throws Error(kUnsupported) with each family's reason.
std::unique_ptr<MergeStatesKernels> choose_merge_states(const MergeStatesConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
