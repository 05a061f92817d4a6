// Reads kernel names from a cubin, which is an ELF file.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jit/target.h"

namespace attnjit::jit {

struct CubinEntries {
  std::vector<std::string> names;  // of kernels only, not device functions
  std::string problem;             // why these bytes are not a cubin; empty if they are
  std::optional<int> sm;           // 90 for any of 9.0; nothing if the format version is unknown
};

/// Never reads outside `image`, whatever its contents.
CubinEntries read_cubin_entries(std::span<const unsigned char> image);

/// Why an image cannot be launched as the kernel `entry` on a target: not a cubin, built for another SM, or without
/// that kernel. Empty if it can, as far as its bytes show.
std::string why_not_kernel(std::span<const unsigned char> image, const std::string& entry, const Target& target);

}  // namespace attnjit::jit
