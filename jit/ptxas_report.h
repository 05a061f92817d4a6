// Reads what ptxas -v writes into the log of a compile: resources, and the notes that make a kernel worthless.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace attnjit::jit {

/// What ptxas reports of a kernel, in bytes but for registers and barriers.
struct Resources {
  int registers = 0;
  int stack_bytes = 0;
  int spill_store_bytes = 0;  // of the kernel and of the functions it calls
  int spill_load_bytes = 0;
  int static_shared_bytes = 0;
  int constant_bytes = 0;  // parameters included; ptxas says nothing of them for sm_90 and newer
  int barriers = 0;
  bool operator==(const Resources&) const = default;
};

/// The resources of the entry; nothing if the log has no report of it.
std::optional<Resources> read_resources(std::string_view log, std::string_view entry);

/// The line in which ptxas says that it serialized wgmma or ignored setmaxnreg. Both are called "potential
/// performance loss" there; the first makes a kernel several times slower, and the second takes away the
/// registers that its consumer warps were written for.
std::optional<std::string> find_broken_promise(std::string_view log);

}  // namespace attnjit::jit
