// MLA decode as a loop over rows and keys that a reader can check by eye.
#pragma once

#include "tests/reference/device/decode_params.h"

namespace attnjit::reference {

/// All pointers are of host memory. Writes out, lse and magnitude.
void decode_reference_on_cpu(const DecodeParams& params, Element element);
/// Writes yardstick_out.
void decode_yardstick_on_cpu(const DecodeParams& params, Element element);

}  // namespace attnjit::reference
