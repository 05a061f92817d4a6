// Identifies streams. A handle is not enough: CU_STREAM_PER_THREAD is one handle for a different stream in each thread,
// and the handle of a destroyed stream, whose work may still be running, is reused.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace attnjit::runtime {

class Driver;

/// The stream's id, never reused by the driver in this process. Unavailable while the stream is being captured (CUDA
/// 13.0 returns an error). For CU_STREAM_PER_THREAD, the id of the calling thread's stream. Needs a current context.
std::uint64_t stream_id(const Driver& driver, CUstream stream);
/// The same for a context.
std::uint64_t context_id(const Driver& driver, CUcontext context);
/// Whether launches on the stream are recorded into a graph. Also true for a capture that has failed.
bool is_captured(const Driver& driver, CUstream stream);

/// A context's legacy default stream lives as long as the context, so the handle identifies it.
inline bool is_legacy_default(CUstream stream) { return stream == nullptr || stream == CU_STREAM_LEGACY; }
/// A handle for a different stream in each thread.
inline bool is_per_thread_default(CUstream stream) { return stream == CU_STREAM_PER_THREAD; }

}  // namespace attnjit::runtime
