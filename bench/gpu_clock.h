// Times work on a stream with CUDA events, which are looked up in libcuda like everything else here.
#pragma once

#include <cuda.h>

namespace attnjit::bench {

class GpuClock {
 public:
  /// Needs a current CUDA context. Throws attnjit::Error(kDriverError) naming the call that failed.
  GpuClock();
  ~GpuClock();
  GpuClock(const GpuClock&) = delete;
  GpuClock& operator=(const GpuClock&) = delete;

  void start(CUstream stream);
  /// Waits for all work queued on `stream` since start(); returns its duration in microseconds.
  double stop_us(CUstream stream);

 private:
  decltype(&::cuEventCreate) create_ = nullptr;
  decltype(&::cuEventRecord) record_ = nullptr;
  decltype(&::cuEventSynchronize) synchronize_ = nullptr;
  decltype(&::cuEventElapsedTime) elapsed_ = nullptr;
  decltype(&::cuEventDestroy) destroy_ = nullptr;
  CUevent start_ = nullptr;
  CUevent end_ = nullptr;
};

}  // namespace attnjit::bench
