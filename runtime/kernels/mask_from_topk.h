// Host half of templates/kernels/mask_from_topk.cuh, which makes every mask on every SM.
#pragma once

#include <memory>

#include "runtime/kernel_set.h"
#include "runtime/mask_from_topk_call.h"
#include "runtime/sm_features.h"

namespace attnjit::runtime {

KernelPlan mask_from_topk_plan();

using MaskFromTopkKernels = KernelSet<MaskFromTopkCall>;
std::unique_ptr<MaskFromTopkKernels> make_mask_from_topk(const SmFeatures& features);

}  // namespace attnjit::runtime
