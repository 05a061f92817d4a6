// What a check kernel tells the host: the first fault of a call. Every operator's check writes the same report; what
// its numbers mean is the check's own business.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

struct CheckReport {
  i32 fault;      // 0: none; else of the check's own enumeration
  i32 tensor;     // which of the check's tensors
  i32 sequence;   // whose entry it is
  i32 position;   // within the sequence, where it has several entries
  i64 values[2];  // what was found
};

}  // namespace attnjit::kernel
