// Which kernel serves an mha_varlen config, without a mask or (masked_mha) with a key bitmask: one table in order of
// preference, the generic kernel last.
#pragma once

#include <memory>
#include <vector>

#include "operators/kernel_family.h"
#include "operators/mha_varlen/call.h"

namespace attnjit::runtime {

using MhaVarlenKernels = KernelSet<MhaVarlenCall>;

/// Whether each query has a bitmask of the keys it sees.
enum class KeyMasking { kNone, kBitmask };

struct MhaVarlenRequest {
  MhaVarlenConfig config;
  KeyMasking masking = KeyMasking::kNone;
};

using MhaVarlenFamily = KernelFamily<MhaVarlenRequest, MhaVarlenKernels>;
const std::vector<MhaVarlenFamily>& mha_varlen_families();

/// Returns the kernels of the first family that serves the config. Throws Error(kUnsupported) with each family's
/// reason.
std::unique_ptr<MhaVarlenKernels> choose_mha_varlen(const MhaVarlenConfig& config, const SmFeatures& features,
                                                    KeyMasking masking = KeyMasking::kNone);

}  // namespace attnjit::runtime
