// Where a call's workspace comes from: the caller, or memory that reserve() made ahead of time, one block per stream of
// a CUDA context. A call never allocates. One mechanism for all operators.
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

/// What of a workspace is laid out one after the other starts at multiples of this many bytes.
inline constexpr std::size_t kWorkspaceAlignment = 16;
constexpr std::size_t aligned_workspace(std::size_t bytes) {
  return (bytes + kWorkspaceAlignment - 1) / kWorkspaceAlignment * kWorkspaceAlignment;
}

/// The workspace of one call.
struct CallWorkspace {
  void* data = nullptr;
  std::size_t bytes = 0;
  std::shared_ptr<void> owner{};  // of reserved memory; outlives `turn`
  /// Memory that was reserved is one call's at a time until this is unlocked, after the call's last launch: of two
  /// threads that call on one stream, neither gets its first kernel in between the other's two.
  std::unique_lock<std::mutex> turn{};
};

/// The blocks that an operator reserved. A block stays when a larger one takes its place, since a captured graph goes
/// on using the one that it was captured with. Thread-safe.
class ReservedWorkspaces {
 public:
  /// `check` is of the operator, for messages.
  explicit ReservedWorkspaces(const ArgumentCheck& check) : check_(check) {}

  /// Allocates in the current CUDA context, unless a block of this stream is large enough.
  void reserve(CUstream stream, std::size_t bytes);
  /// Frees the blocks of this stream of the current CUDA context.
  void release(CUstream stream);
  /// The largest block of this stream of the current CUDA context; empty without one.
  CallWorkspace find(CUstream stream) const;

 private:
  struct Block;
  /// A stream of the current context.
  struct Place {
    CUcontext context = nullptr;
    std::uint64_t context_id = 0;
    CUstream stream = nullptr;
    std::optional<std::uint64_t> stream_id{};  // unknown while the stream is captured
  };
  Place place_of(CUstream stream) const;
  static bool is_at(const Block& block, const Place& place);

  const ArgumentCheck& check_;
  std::mutex reserving_;                        // held while the driver allocates; taken before mutex_
  mutable std::mutex mutex_;                    // guards what follows
  std::vector<std::shared_ptr<Block>> blocks_;  // shared with calls that are about to launch
};

/// Memory of at least `bytes` for one call: what the caller gave, else what was reserved for the stream. Throws
/// Error(kInvalidArgument) that says how many bytes are there and how many are needed.
CallWorkspace workspace_for_call(const ArgumentCheck& check, const Workspace& given, const ReservedWorkspaces& reserved,
                                 CUstream stream, std::size_t bytes);

}  // namespace attnjit::runtime
