// Device memory that a call needs besides its tensors, for operators that launch more than one kernel.
#pragma once

#include <cstddef>

namespace attnjit {

/// Memory that the caller lends to one call. How large it has to be is asked once, from upper bounds, by the operator's
/// workspace_bytes(). Its contents need no preparation and mean nothing afterwards.
///
/// Calls that may run at the same time need memory of their own: calls on different streams, graphs that are replayed
/// on different streams, and several instances of one graph. So do calls that threads make on one stream without taking
/// turns, since a call launches more than one kernel.
///
/// An operator's reserve(stream, bounds) makes such memory ahead of time for the calls on one stream that lend none:
/// - It allocates in the CUDA context that is current on this thread (without one, in the device's primary context) and
///   belongs to the stream, not to its handle: a stream that is made after this one was destroyed has none, even where
///   it has the same handle. CU_STREAM_PER_THREAD, one handle for a stream of each thread, is refused.
/// - Threads may call on the stream at the same time: each call gets its kernels into the stream together.
/// - Graphs captured on the stream use its memory. Replay them one after another, and not beside calls on the stream: a
///   graph that is to run beside others needs a workspace that is lent to it. Of a stream that is being captured the
///   driver tells only the handle, so release the memory before you destroy the stream.
/// - Not while the stream is captured: it allocates.
/// - The memory lives as long as the operator and its copies, or until release(stream), which frees what was reserved
/// for
///   the stream. Its work must be done by then, and graphs that use the memory must not be replayed any more.
struct Workspace {
  void* data = nullptr;   ///< on the device, at a multiple of 16 bytes
  std::size_t bytes = 0;  ///< 0: use what reserve() made for the call's stream
};

}  // namespace attnjit
