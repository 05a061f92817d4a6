// Device memory that a call needs besides its tensors, for operators that launch more than one kernel.
#pragma once

#include <cstddef>

namespace attnjit {

/// Memory that the caller lends to one call. How large it has to be is asked once, from upper bounds, by the operator's
/// workspace_bytes(). Its contents need no preparation and mean nothing afterwards; calls that may run at the same time
/// need memory of their own.
struct Workspace {
  void* data = nullptr;   ///< on the device, at a multiple of 16 bytes
  std::size_t bytes = 0;  ///< 0: use what reserve() made for the call's stream
};

}  // namespace attnjit
