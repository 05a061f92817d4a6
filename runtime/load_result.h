// What a driver's answer to a cubin says: of the cubin, or of something else.
#pragma once

#include <cuda.h>

namespace attnjit::runtime {

/// The driver's words for "this cubin is not for me": made by a newer compiler, or for another SM.
bool refuses_cubin(CUresult result);

/// Whether a failure to load says nothing of the cubin: memory, the driver's state, or a device that failed before.
bool says_nothing_of_cubin(CUresult result);

}  // namespace attnjit::runtime
