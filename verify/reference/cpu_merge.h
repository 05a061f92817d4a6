// Merging of attention states as loops, simple enough to check by eye.
#pragma once

#include "verify/reference/device/params.h"

namespace attnjit::reference {

/// All pointers are to host memory. Writes every output.
void merge_on_cpu(const MergeParams& params);

}  // namespace attnjit::reference
