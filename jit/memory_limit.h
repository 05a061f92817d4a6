// Limits of this process's memory (ulimit -v, -d), and whether a compile has a chance under them.
#pragma once

#include <cstddef>
#include <string>

namespace attnjit::jit {

/// "the limit of address space (204800 KiB, ulimit -v)" and the like; empty where there is no limit.
std::string memory_limit();
/// Throws Error(kInternal) that names the limit as the reason for a want of memory; returns where there is none.
void throw_memory_limit();
/// Whether so much could be had now. Always, where there is no limit: a machine's memory is not asked.
bool fits_under_memory_limit(std::size_t bytes);

/// A compile's share of the memory that the limit leaves, for as long as it runs. NVRTC does not report that it has
/// none left: it ends the process.
class CompileMemory {
 public:
  /// Waits while the compiles that run leave too little. Throws Error(kNoCompiler), which names the limit, where it is
  /// too little for one.
  CompileMemory();
  ~CompileMemory();
  CompileMemory(const CompileMemory&) = delete;
  CompileMemory& operator=(const CompileMemory&) = delete;
};

}  // namespace attnjit::jit
