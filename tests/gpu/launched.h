// Which kernels the cases of the suite's tables launch: each call is planned by its sizes, without tensors and without
// a GPU.
#pragma once

#include <vector>

#include "runtime/kernel_plan.h"
#include "runtime/sm_features.h"

namespace attnjit::gpu_tests {

// ---- for the table of operators; all may repeat themselves

std::vector<runtime::KernelPlan> mha_varlen_launched(const runtime::SmFeatures& own);
std::vector<runtime::KernelPlan> masked_mha_launched(const runtime::SmFeatures& own);
std::vector<runtime::KernelPlan> mla_decode_launched(const runtime::SmFeatures& own);
std::vector<runtime::KernelPlan> merge_states_launched(const runtime::SmFeatures& own);

}  // namespace attnjit::gpu_tests
