// Reads the kernel names out of a cubin, which is an ELF file.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace attnjit::jit {

struct CubinEntries {
  std::vector<std::string> names;  // of kernels, not of device functions
  std::string problem;             // why these bytes are no cubin; empty if they are one
};

/// Never reads outside of `image`, whatever it holds.
CubinEntries read_cubin_entries(std::span<const unsigned char> image);

}  // namespace attnjit::jit
