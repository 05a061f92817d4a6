// Host half of templates/kernels/sm80_mha_varlen.cuh: which configs it serves, its tiles, its grid.
#pragma once

#include "runtime/mha_varlen_kernels.h"

namespace attnjit::runtime {

std::string sm80_mha_varlen_refusal(const MhaVarlenRequest& request, const SmFeatures& features);
std::unique_ptr<MhaVarlenKernels> make_sm80_mha_varlen(const MhaVarlenRequest& request, const SmFeatures& features);

}  // namespace attnjit::runtime
