// Times work in a stream by CUDA events, looked up in libcuda as everything else here.
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
  /// Microseconds since start(), when all work put into `stream` since then is done.
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
