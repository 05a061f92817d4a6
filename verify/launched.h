// Which kernels the suite's cases launch: each call is planned from its sizes, without tensors or a GPU.
#pragma once

#include <vector>

#include "operators/kernel_set.h"
#include "runtime/sm_features.h"

namespace attnjit::gpu_tests {

/// The plans a call launches.
template <class Call>
std::vector<runtime::KernelPlan> launched(const runtime::KernelSet<Call>& kernels, const Call& call,
                                          const runtime::Forced& forced = {}) {
  const runtime::Schedule schedule = kernels.schedule(call, forced);
  std::vector<runtime::KernelPlan> plans;
  for (int i = 0; i < schedule.count; ++i) {
    plans.push_back(kernels.plans()[static_cast<std::size_t>(schedule[i].plan)]);
  }
  return plans;
}

// ---- for the table of operators; all may contain duplicates

std::vector<runtime::KernelPlan> mha_varlen_launched(const runtime::SmFeatures& own);
std::vector<runtime::KernelPlan> masked_mha_launched(const runtime::SmFeatures& own);
std::vector<runtime::KernelPlan> mla_decode_launched(const runtime::SmFeatures& own);
std::vector<runtime::KernelPlan> merge_states_launched(const runtime::SmFeatures& own);

}  // namespace attnjit::gpu_tests
