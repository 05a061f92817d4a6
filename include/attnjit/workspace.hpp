// Device memory that a call needs besides its tensors, for operators that launch more than one kernel.
#pragma once

#include <cstddef>

namespace attnjit {

/// Memory that the caller lends to one call. How large it has to be is asked once, from upper bounds, by the operator's
/// workspace_bytes(). Its contents need no preparation and mean nothing afterwards.
///
/// Calls that may run at the same time need memory of their own: calls on different streams, graphs that are replayed
/// on different streams, and several instances of one graph. The same holds for threads that call on one stream without
/// a lock and lend the same memory, because one call launches several kernels.
///
/// An operator's reserve(stream, bounds) makes such memory ahead of time for the calls on one stream that lend none:
/// - It allocates in the CUDA context that is current on this thread (without one, in the device's primary context) and
///   belongs to the stream, not to its handle: a stream that is made after this one was destroyed has none, even where
///   it has the same handle. CU_STREAM_PER_THREAD, one handle for a stream of each thread, is refused.
/// - Threads may call on the stream at the same time: the kernels of one call are enqueued without another call's in
///   between.
/// - Graphs captured on the stream use its memory. Replay them one after another, and not beside calls on the stream: a
///   graph that is to run beside others needs a workspace that is lent to it.
/// - During capture CUDA does not report a stream's id, so a call finds its memory by the handle. Release a stream's
///   memory before you destroy the stream; otherwise a new stream with the same handle may capture with it.
/// - Neither reserve() nor release() while the stream is captured.
/// - The memory lives as long as the operator and its copies, or until release(stream) frees it. The stream's work must
///   be done by then, and graphs that use the memory must not be replayed any more.
struct Workspace {
  void* data = nullptr;   ///< on the device, at a multiple of 16 bytes
  std::size_t bytes = 0;  ///< 0: use what reserve() made for the call's stream
};

}  // namespace attnjit
