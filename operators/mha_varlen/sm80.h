// Host half of templates/kernels/sm80_mha_varlen.cuh: the configs it serves, its tiles and its grid.
#pragma once

#include "operators/mha_varlen/kernels.h"

namespace attnjit::runtime {

std::string sm80_mha_varlen_refusal(const MhaVarlenRequest& request, const SmFeatures& features);
std::unique_ptr<MhaVarlenKernels> make_sm80_mha_varlen(const MhaVarlenRequest& request, const SmFeatures& features);

}  // namespace attnjit::runtime
