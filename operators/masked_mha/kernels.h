// The kernels of masked_mha. The mha_varlen kernels that take a mask do the attention; if a call gives indices, an
// extra step builds the mask first.
#pragma once

#include <memory>

#include "attnjit/masked_mha.hpp"
#include "operators/masked_mha/call.h"
#include "operators/mha_varlen/kernels.h"

namespace attnjit::runtime {

using MaskedMhaKernels = KernelSet<MaskedMhaCall>;
/// Throws Error(kUnsupported) with each family's reason.
std::unique_ptr<MaskedMhaKernels> choose_masked_mha(const MaskedMhaConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
