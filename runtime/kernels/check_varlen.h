// Host half of templates/kernels/check_varlen.cuh: what it is told, and how its faults are told to the user.
#pragma once

#include "runtime/device_check.h"
#include "runtime/mha_varlen_call.h"

namespace attnjit::runtime {

KernelPlan check_varlen_plan();

/// Debug mode's check of the lengths of one operator's calls.
class VarlenCheck {
 public:
  VarlenCheck(const char* operator_name, KernelLoader& loader);
  /// Throws Error(kInvalidArgument) that names tensor, sequence, values and what is allowed.
  void run(const MhaVarlenCall& call, CUstream stream) const;

 private:
  const char* operator_;
  DeviceCheck check_;
};

}  // namespace attnjit::runtime
