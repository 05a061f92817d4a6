// A call's workspace comes from the caller, or from memory that reserve() allocated earlier, one block per stream of a
// CUDA context. Calls never allocate. Shared by all operators.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "attnjit/workspace.hpp"
#include "runtime/argument_check.h"

namespace attnjit::runtime {

/// Alignment in bytes of everything laid out in a workspace.
inline constexpr std::size_t kWorkspaceAlignment = 16;
constexpr std::size_t aligned_workspace(std::size_t bytes) {
  return (bytes + kWorkspaceAlignment - 1) / kWorkspaceAlignment * kWorkspaceAlignment;
}

/// The workspace of one call.
struct CallWorkspace {
  void* data = nullptr;
  std::size_t bytes = 0;
  std::shared_ptr<void> owner{};  // of reserved memory; outlives `turn`
  /// Reserved memory belongs to one call until this is unlocked after its last launch. Otherwise, of two threads
  /// calling on one stream, one could launch its first kernel between the other's two.
  std::unique_lock<std::mutex> turn{};
};

/// The blocks an operator reserved. A block stays when a larger one replaces it, since captured graphs keep using the
/// block they were captured with. Thread-safe.
class ReservedWorkspaces {
 public:
  /// `check` is the operator's, for messages.
  explicit ReservedWorkspaces(const ArgumentCheck& check) : check_(check) {}

  /// Allocates in the current CUDA context, unless this stream already has a large enough block.
  void reserve(CUstream stream, std::size_t bytes);
  /// Frees this stream's blocks in the current CUDA context.
  void release(CUstream stream);
  /// This stream's largest block in the current CUDA context; empty if it has none.
  CallWorkspace find(CUstream stream) const;

 private:
  struct Block;
  /// A stream of the current context.
  struct Place {
    CUcontext context = nullptr;
    std::uint64_t context_id = 0;
    CUstream stream = nullptr;
    std::optional<std::uint64_t> stream_id{};  // unknown while the stream is being captured
  };
  Place place_of(CUstream stream) const;
  static bool is_at(const Block& block, const Place& place);

  const ArgumentCheck& check_;
  std::mutex reserving_;                        // held while the driver allocates; taken before mutex_
  mutable std::mutex mutex_;                    // guards the members below
  std::vector<std::shared_ptr<Block>> blocks_;  // shared with calls that are about to launch
};

/// Memory of at least `bytes` for one call: the caller's, else what was reserved for the stream. Throws
/// Error(kInvalidArgument) saying how many bytes there are and how many are needed.
CallWorkspace workspace_for_call(const ArgumentCheck& check, const Workspace& given, const ReservedWorkspaces& reserved,
                                 CUstream stream, std::size_t bytes);

}  // namespace attnjit::runtime
