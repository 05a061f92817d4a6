// Where a call's workspace comes from: the caller, or memory that reserve() made ahead of time, one block per stream. A
// call never allocates. One mechanism for all operators.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <mutex>
#include <vector>

#include "attnjit/workspace.hpp"
#include "runtime/argument_check.h"

namespace attnjit::runtime {

class Driver;

/// What of a workspace is laid out one after the other starts at multiples of this many bytes.
inline constexpr std::size_t kWorkspaceAlignment = 16;
constexpr std::size_t aligned_workspace(std::size_t bytes) {
  return (bytes + kWorkspaceAlignment - 1) / kWorkspaceAlignment * kWorkspaceAlignment;
}

/// The blocks that an operator reserved. A block lives as long as the operator, also when a larger one takes its place:
/// a captured graph goes on using the one that it was captured with. Thread-safe.
class ReservedWorkspaces {
 public:
  ReservedWorkspaces() = default;
  ~ReservedWorkspaces();
  ReservedWorkspaces(const ReservedWorkspaces&) = delete;
  ReservedWorkspaces& operator=(const ReservedWorkspaces&) = delete;

  /// Allocates in the current CUDA context, unless a block of that context and stream is large enough.
  void reserve(CUstream stream, std::size_t bytes);
  /// The largest block of the current CUDA context and this stream; empty without one.
  Workspace find(CUstream stream) const;

 private:
  struct Block {
    CUcontext context;
    CUstream stream;
    CUdeviceptr address;
    std::size_t bytes;
  };

  mutable std::mutex mutex_;  // guards what follows
  std::vector<Block> blocks_;
};

/// Memory of at least `bytes` for one call: what the caller gave, else what was reserved for the stream. Throws
/// Error(kInvalidArgument) that says how many bytes are there and how many are needed.
void* workspace_for_call(const ArgumentCheck& check, const Workspace& given, const ReservedWorkspaces& reserved,
                         CUstream stream, std::size_t bytes);

}  // namespace attnjit::runtime
