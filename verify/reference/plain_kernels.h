// Interface of the code that computes references and handles tensors in place: plain kernels on a GPU, host loops on a
// machine without one.
#pragma once

#include <cuda.h>

#include "verify/reference/device/decode_params.h"
#include "verify/reference/device/params.h"

namespace attnjit::reference {

class PlainKernels {
 public:
  virtual ~PlainKernels() = default;
  /// False if memory has only addresses and no content: drawing numbers for it would be pointless.
  virtual bool keeps_content() const { return true; }

  /// Writes out, lse and magnitude.
  virtual void reference(const AttentionParams& params, Element element, CUstream stream) const = 0;
  /// The low-precision baseline. Writes yardstick_out.
  virtual void yardstick(const AttentionParams& params, Element element, CUstream stream) const = 0;
  /// The same for MLA decode.
  virtual void decode_reference(const DecodeParams& params, Element element, CUstream stream) const = 0;
  virtual void decode_yardstick(const DecodeParams& params, Element element, CUstream stream) const = 0;
  /// Writes all of MergeParams' outputs.
  virtual void merge(const MergeParams& params, CUstream stream) const = 0;
  virtual void fill(const FillParams& params, CUstream stream) const = 0;
  virtual void take(const TakeParams& params, CUstream stream) const = 0;
  virtual void count(const CountParams& params, CUstream stream) const = 0;
  virtual void scatter(const ScatterParams& params, CUstream stream) const = 0;
};

}  // namespace attnjit::reference
