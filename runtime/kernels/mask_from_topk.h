// Host half of templates/kernels/mask_from_topk.cuh: its one config, and its grid.
#pragma once

#include "runtime/kernel_plan.h"
#include "runtime/mask_from_topk_call.h"
#include "runtime/sm_features.h"

namespace attnjit::runtime {

KernelPlan mask_from_topk_plan();

/// The number of CTAs, 0 if there is nothing to do; fills in what of the params depends on the kernel.
unsigned plan_mask_from_topk(MaskFromTopkCall& call, const SmFeatures& features);

}  // namespace attnjit::runtime
