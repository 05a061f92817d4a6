// Host half of templates/kernels/sm80_mla_decode.cuh and sm80_mla_combine.cuh: which configs they serve, tiles, grids,
// workspace.
#pragma once

#include "runtime/mla_decode_kernels.h"

namespace attnjit::runtime {

std::string sm80_mla_decode_refusal(const MlaDecodeConfig& config, const SmFeatures& features);
std::unique_ptr<MlaDecodeKernels> make_sm80_mla_decode(const MlaDecodeConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
