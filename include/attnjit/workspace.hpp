// Device memory that a call needs beyond its tensors, for operators that launch more than one kernel.
#pragma once

#include <cstddef>

namespace attnjit {

/// Memory that the caller lends to one call. The operator's workspace_bytes() gives its size, computed once from upper
/// bounds. It needs no initialisation, and its contents are meaningless after the call.
///
/// Calls that may run at the same time need separate workspaces: calls on different streams, graphs replayed on
/// different streams, and several instances of one graph. The same holds for threads that call on one stream without a
/// lock and lend the same memory, because one call launches several kernels.
///
/// An operator's reserve(stream, bounds) allocates workspace ahead of time for calls on one stream that lend none:
/// - It is allocated in the CUDA context that is current on this thread (the device's primary context if there is none)
///   and belongs to the stream, not to its handle: a stream created after this one was destroyed has no workspace, even
///   if it has the same handle. CU_STREAM_PER_THREAD, one handle for a separate stream in each thread, is refused.
/// - Threads may call on the stream at the same time: the kernels of one call are enqueued back to back, with none of
///   another call in between.
/// - Graphs captured on the stream use its workspace. Replay them one after another, and not concurrently with calls on
///   the stream: a graph that runs concurrently needs a workspace lent to it.
/// - During capture CUDA does not report a stream's id, so a call finds the workspace by the handle. Release a stream's
///   workspace before you destroy the stream; otherwise a new stream with the same handle may capture with it.
/// - Do not call reserve() or release() while the stream is captured.
/// - The memory lives as long as the operator and its copies, or until release(stream) frees it. By then the stream's
///   work must be done, and graphs that use the memory must not be replayed any more.
struct Workspace {
  void* data = nullptr;   ///< on the device, 16-byte aligned
  std::size_t bytes = 0;  ///< 0: use what reserve() allocated for the call's stream
};

}  // namespace attnjit
