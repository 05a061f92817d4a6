// Host half of templates/kernels/check_indices.cuh: builds the check kernel's parameters from an operator's calls and
// turns the faults it finds into error messages.
#pragma once

#include "operators/masked_mha/call.h"
#include "operators/mla_decode/call.h"
#include "runtime/device_check.h"
#include "templates/shared/check_indices_params.h"

namespace attnjit::runtime {

KernelPlan check_indices_plan();

/// The index tensors of a call and their names in messages.
struct CheckedIndices {
  struct SumNames {
    const char* tensor;   // "cu_seqlens_q"
    const char* counted;  // what its last entry may count at most: "tokens of q"
    const char* maximum;  // the upper bound of a sequence's length: "max_seqlen_q"
    const char* unit;     // "tokens"
  };
  struct ValueNames {
    const char* tensor;   // "seq_lens"
    const char* largest;  // what limits the largest value
  };
  kernel::CheckIndicesParams params{};
  SumNames sums[kernel::CheckIndicesParams::kSums]{};
  ValueNames values[kernel::CheckIndicesParams::kValues]{};
};

CheckedIndices indices_of(const MhaVarlenCall& call);
CheckedIndices indices_of(const MaskedMhaCall& call, const MaskedMhaParams& params);
CheckedIndices indices_of(const MaskFromTopkCall& call);
CheckedIndices indices_of(const MlaDecodeCall& call, const MlaDecodeConfig& config, const MlaDecodeParams& params);

/// Debug mode's index check for one operator.
class IndexCheck {
 public:
  IndexCheck(const char* operator_name, KernelLoader& loader);
  /// Throws Error(kInvalidArgument) naming the tensor, sequence, values and what is allowed.
  void run(const CheckedIndices& indices, CUstream stream) const;

 private:
  const char* operator_;
  DeviceCheck check_;
};

}  // namespace attnjit::runtime
