// CPU counterparts of the plain kernels: loops over rows and keys, simple enough to check by eye.
#pragma once

#include "verify/reference/device/params.h"

namespace attnjit::reference {

/// All pointers are to host memory. Writes out, lse and magnitude.
void reference_on_cpu(const AttentionParams& params, Element element);
/// The low-precision baseline. Writes yardstick_out.
void yardstick_on_cpu(const AttentionParams& params, Element element);

}  // namespace attnjit::reference
