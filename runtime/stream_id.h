// What a stream is known by. A handle is not enough: CU_STREAM_PER_THREAD is one handle for a stream of each thread,
// and the handle of a destroyed stream, whose work may still run, is given to the next one.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace attnjit::runtime {

class Driver;

/// The stream's id, which the driver never reuses in this process. Not available while the stream is being captured
/// (CUDA 13.0 returns an error). For CU_STREAM_PER_THREAD the id of the calling thread's stream. Needs a current
/// context.
std::uint64_t stream_id(const Driver& driver, CUstream stream);
/// Likewise of a context.
std::uint64_t context_id(const Driver& driver, CUcontext context);
/// Whether launches on the stream go into a graph instead. True also for a capture that has failed.
bool is_captured(const Driver& driver, CUstream stream);

/// The legacy default stream of a context lives as long as its context, so the handle identifies it.
inline bool is_legacy_default(CUstream stream) { return stream == nullptr || stream == CU_STREAM_LEGACY; }
/// A handle that stands for another stream in each thread.
inline bool is_per_thread_default(CUstream stream) { return stream == CU_STREAM_PER_THREAD; }

}  // namespace attnjit::runtime
