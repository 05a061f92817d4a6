// Classifies the driver's load errors: whether they are about the cubin or something else.
#pragma once

#include <cuda.h>

namespace attnjit::runtime {

/// The driver rejects the cubin itself: it was made by a newer compiler, or for another SM.
bool refuses_cubin(CUresult result);

/// Whether a load failure is unrelated to the cubin: out of memory, the driver's state, or a device that failed
/// earlier.
bool says_nothing_of_cubin(CUresult result);

}  // namespace attnjit::runtime
