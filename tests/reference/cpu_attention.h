// The plain kernels' CPU counterparts: a loop over rows and keys that a reader can check by eye.
#pragma once

#include "tests/reference/device/params.h"

namespace attnjit::reference {

/// All pointers are of host memory. Writes out, lse and magnitude.
void reference_on_cpu(const AttentionParams& params, Element element);
/// Writes yardstick_out.
void yardstick_on_cpu(const AttentionParams& params, Element element);

}  // namespace attnjit::reference
