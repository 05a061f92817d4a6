// Parses ptxas -v output from a compile's log: resource usage, and notes that make a kernel unusable.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace attnjit::jit {

/// ptxas's report of a kernel, in bytes except for registers and barriers.
struct Resources {
  int registers = 0;
  int stack_bytes = 0;
  int spill_store_bytes = 0;  // of the kernel and the functions it calls
  int spill_load_bytes = 0;
  int static_shared_bytes = 0;
  int constant_bytes = 0;  // includes parameters; not reported by ptxas for sm_90 and newer
  int barriers = 0;
  bool operator==(const Resources&) const = default;
};

/// The entry's resources; nothing if the log has no report of it.
std::optional<Resources> read_resources(std::string_view log, std::string_view entry);

/// The line in which ptxas says that it serialized wgmma or ignored setmaxnreg. It calls both a "potential performance
/// loss"; the first makes a kernel several times slower, the second denies consumer warps the registers they were
/// written for.
std::optional<std::string> find_broken_promise(std::string_view log);

}  // namespace attnjit::jit
