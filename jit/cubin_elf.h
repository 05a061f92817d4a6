// Reads the kernel names out of a cubin, which is an ELF file.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jit/target.h"

namespace attnjit::jit {

struct CubinEntries {
  std::vector<std::string> names;  // of kernels, not of device functions
  std::string problem;             // why these bytes are no cubin; empty if they are one
  std::optional<int> sm;           // 90 for any of 9.0; nothing for a version of the format that is not known
};

/// Never reads outside of `image`, whatever it holds.
CubinEntries read_cubin_entries(std::span<const unsigned char> image);

/// Why an image cannot be launched as the kernel `entry` of a target: no cubin, another SM's, without that kernel;
/// empty if it can, as far as its bytes tell.
std::string why_not_kernel(std::span<const unsigned char> image, const std::string& entry, const Target& target);

}  // namespace attnjit::jit
