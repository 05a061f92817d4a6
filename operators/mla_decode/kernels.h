// Which kernels serve an mla_decode config: one table in order of preference, the generic ones last.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "operators/kernel_family.h"
#include "operators/mla_decode/call.h"

namespace attnjit::runtime {

class MlaDecodeKernels : public KernelSet<MlaDecodeCall> {
 public:
  /// An upper bound: no call within the bounds needs more workspace.
  virtual std::size_t workspace_bytes(const MlaDecodeBounds& bounds) const = 0;
};

using MlaDecodeFamily = KernelFamily<MlaDecodeConfig, MlaDecodeKernels>;
const std::vector<MlaDecodeFamily>& mla_decode_families();

/// Returns the kernels of the first family that serves the config. Throws Error(kUnsupported) with each family's
/// reason.
std::unique_ptr<MlaDecodeKernels> choose_mla_decode(const MlaDecodeConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
