// What a stream is known by. A handle is not enough: CU_STREAM_PER_THREAD is one handle for a stream of each thread,
// and the handle of a destroyed stream, whose work may still run, is given to the next one.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace attnjit::runtime {

class Driver;

/// A number that no other stream of this process has had, of a stream that is not being captured: the driver refuses to
/// tell it then (CUDA 13.0). For CU_STREAM_PER_THREAD that of the calling thread's stream. Needs a current context.
std::uint64_t stream_id(const Driver& driver, CUstream stream);
/// Likewise of a context.
std::uint64_t context_id(const Driver& driver, CUcontext context);
/// Whether launches on the stream go into a graph instead. True also for a capture that has failed.
bool is_captured(const Driver& driver, CUstream stream);

/// The legacy default stream of a context lives as long as that: its handle is as good as a number.
inline bool is_legacy_default(CUstream stream) { return stream == nullptr || stream == CU_STREAM_LEGACY; }
/// A handle that stands for another stream in each thread.
inline bool is_per_thread_default(CUstream stream) { return stream == CU_STREAM_PER_THREAD; }

}  // namespace attnjit::runtime
