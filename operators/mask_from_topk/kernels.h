// Host half of templates/kernels/mask_from_topk.cuh, which builds every mask on every SM.
#pragma once

#include <memory>

#include "attnjit/mask_from_topk.hpp"
#include "operators/kernel_set.h"
#include "operators/mask_from_topk/call.h"
#include "runtime/sm_features.h"

namespace attnjit::runtime {

KernelPlan mask_from_topk_plan();

using MaskFromTopkKernels = KernelSet<MaskFromTopkCall>;
/// For use as a step of another operator.
std::unique_ptr<MaskFromTopkKernels> make_mask_from_topk(const SmFeatures& features);
std::unique_ptr<MaskFromTopkKernels> choose_mask_from_topk(const MaskFromTopkConfig& config,
                                                           const SmFeatures& features);

}  // namespace attnjit::runtime
