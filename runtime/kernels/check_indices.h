// Host half of templates/kernels/check_indices.cuh: what it is told of each operator's calls, and how its faults are
// told to the user.
#pragma once

#include "runtime/device_check.h"
#include "runtime/masked_mha_call.h"
#include "runtime/mla_decode_call.h"
#include "templates/shared/check_indices_params.h"

namespace attnjit::runtime {

KernelPlan check_indices_plan();

/// Index tensors of a call, and how messages name them.
struct CheckedIndices {
  struct SumNames {
    const char* tensor;   // "cu_seqlens_q"
    const char* counted;  // what its last entry counts at most: "tokens of q"
    const char* maximum;  // the bound of a sequence: "max_seqlen_q"
    const char* unit;     // "tokens"
  };
  struct ValueNames {
    const char* tensor;   // "seq_lens"
    const char* largest;  // what the largest value is
  };
  kernel::CheckIndicesParams params{};
  SumNames sums[kernel::CheckIndicesParams::kSums]{};
  ValueNames values[kernel::CheckIndicesParams::kValues]{};
};

CheckedIndices indices_of(const MhaVarlenCall& call);
CheckedIndices indices_of(const MaskedMhaCall& call, const MaskedMhaParams& params);
CheckedIndices indices_of(const MaskFromTopkCall& call);
CheckedIndices indices_of(const MlaDecodeCall& call, const MlaDecodeConfig& config, const MlaDecodeParams& params);

/// Debug mode's check of one operator's calls.
class IndexCheck {
 public:
  IndexCheck(const char* operator_name, KernelLoader& loader);
  /// Throws Error(kInvalidArgument) that names tensor, sequence, values and what is allowed.
  void run(const CheckedIndices& indices, CUstream stream) const;

 private:
  const char* operator_;
  DeviceCheck check_;
};

}  // namespace attnjit::runtime
