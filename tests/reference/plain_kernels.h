// What tests ask of whoever computes references and looks after tensors where they lie: on a GPU the plain kernels, on
// a machine without one loops of the host.
#pragma once

#include <cuda.h>

#include "tests/reference/device/decode_params.h"
#include "tests/reference/device/params.h"

namespace attnjit::reference {

class PlainKernels {
 public:
  virtual ~PlainKernels() = default;
  /// False where memory only has addresses: to draw numbers for it would be for nothing.
  virtual bool keeps_content() const { return true; }

  /// Writes out, lse and magnitude.
  virtual void reference(const AttentionParams& params, Element element, CUstream stream) const = 0;
  /// Writes yardstick_out.
  virtual void yardstick(const AttentionParams& params, Element element, CUstream stream) const = 0;
  /// The same of MLA decode.
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
