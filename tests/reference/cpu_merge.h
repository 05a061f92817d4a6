// Merging of attention states as loops that a reader can check by eye.
#pragma once

#include "tests/reference/device/params.h"

namespace attnjit::reference {

/// All pointers are of host memory. Writes every output.
void merge_on_cpu(const MergeParams& params);

}  // namespace attnjit::reference
