// Host half of templates/kernels/sm80_mla_decode.cuh and sm80_mla_combine.cuh: the configs they serve, tiles, grids and
// workspace.
#pragma once

#include "operators/mla_decode/kernels.h"

namespace attnjit::runtime {

std::string sm80_mla_decode_refusal(const MlaDecodeConfig& config, const SmFeatures& features);
std::unique_ptr<MlaDecodeKernels> make_sm80_mla_decode(const MlaDecodeConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
