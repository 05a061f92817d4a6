// MLA decode as a loop over rows and keys, simple enough to check by eye.
#pragma once

#include "verify/reference/device/decode_params.h"

namespace attnjit::reference {

/// All pointers are to host memory. Writes out, lse and magnitude.
void decode_reference_on_cpu(const DecodeParams& params, Element element);
/// The low-precision baseline. Writes yardstick_out.
void decode_yardstick_on_cpu(const DecodeParams& params, Element element);

}  // namespace attnjit::reference
