// The plain kernels as host loops over host memory.
#pragma once

#include "verify/reference/plain_kernels.h"

namespace attnjit::reference {

/// Ignores streams. Random numbers are not bitwise those of the GPU's fill().
class CpuKernels final : public PlainKernels {
 public:
  void reference(const AttentionParams& params, Element element, CUstream stream) const override;
  void yardstick(const AttentionParams& params, Element element, CUstream stream) const override;
  void decode_reference(const DecodeParams& params, Element element, CUstream stream) const override;
  void decode_yardstick(const DecodeParams& params, Element element, CUstream stream) const override;
  void merge(const MergeParams& params, CUstream stream) const override;
  void fill(const FillParams& params, CUstream stream) const override;
  void take(const TakeParams& params, CUstream stream) const override;
  void count(const CountParams& params, CUstream stream) const override;
  void scatter(const ScatterParams& params, CUstream stream) const override;
};

}  // namespace attnjit::reference
