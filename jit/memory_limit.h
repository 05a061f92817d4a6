// This process's memory limits (ulimit -v, -d), and whether a compile fits under them.
#pragma once

#include <cstddef>
#include <string>

namespace attnjit::jit {

/// "the limit of address space (204800 KiB, ulimit -v)" or similar; empty if there is no limit.
std::string memory_limit();
/// Throws Error(kInternal) naming the limit as the reason for running out of memory; returns if there is no limit.
void throw_memory_limit();
/// Whether this many bytes could be allocated now. Always true without a limit: physical memory is not considered.
bool fits_under_memory_limit(std::size_t bytes);

/// Reserves a compile's share of the memory under the limit, for the compile's duration. NVRTC does not report running
/// out of memory: it ends the process.
class CompileMemory {
 public:
  /// Waits while running compiles leave too little. Throws Error(kNoCompiler) naming the limit if it is too small even
  /// for one.
  CompileMemory();
  ~CompileMemory();
  CompileMemory(const CompileMemory&) = delete;
  CompileMemory& operator=(const CompileMemory&) = delete;
};

}  // namespace attnjit::jit
