// The kernels of masked_mha and of mask_from_topk. Attention is by the kernels of mha_varlen that take a mask; where a call
// gives indices, a step before it makes the mask.
#pragma once

#include <memory>

#include "attnjit/mask_from_topk.hpp"
#include "attnjit/masked_mha.hpp"
#include "runtime/kernels/mask_from_topk.h"
#include "runtime/masked_mha_call.h"
#include "runtime/mha_varlen_kernels.h"

namespace attnjit::runtime {

std::unique_ptr<MaskFromTopkKernels> choose_mask_from_topk(const MaskFromTopkConfig& config,
                                                           const SmFeatures& features);

using MaskedMhaKernels = KernelSet<MaskedMhaCall>;
/// Throws Error(kUnsupported) with each family's reason.
std::unique_ptr<MaskedMhaKernels> choose_masked_mha(const MaskedMhaConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
