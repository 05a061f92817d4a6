// What a check kernel reports to the host: the first fault of a call. All operators' checks write the same struct; the
// meaning of its numbers is up to the check.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

struct CheckReport {
  i32 fault;      // 0: none; else a value of the check's own enum
  i32 tensor;     // which of the check's tensors
  i32 sequence;   // the sequence with the fault
  i32 position;   // entry within the sequence, if it has several
  i64 values[2];  // the offending values
};

}  // namespace attnjit::kernel
