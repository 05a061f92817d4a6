// The CUDA driver: opened at run time, its functions looked up by name and version. Owns nothing else.
#pragma once

#include <cuda.h>

#include <memory>
#include <string>

namespace attnjit::runtime {

/// The libcuda functions this library uses. Opened once per process, never closed.
class Driver {
 public:
  /// Opens libcuda (ATTNJIT_LIBCUDA, else libcuda.so.1) and calls cuInit. Throws Error(kNoDriver) that says what was
  /// tried. Failures are not remembered: the next call tries again.
  static const Driver& get();
  /// The oldest CUDA version supported: cuLibraryLoadData came with 12.0.
  static constexpr int kOldestVersion = 12000;

  int version() const { return version_; }      // 13000 for CUDA 13.0
  std::string version_name() const;             // "CUDA 13.0 driver (libcuda.so.1)"
  std::string describe(CUresult result) const;  // "CUDA_ERROR_INVALID_VALUE: invalid argument"
  /// Throws Error(kDriverError) naming the call unless `result` is success.
  void check(CUresult result, const char* call) const {
    if (result != CUDA_SUCCESS) [[unlikely]]
      fail(result, call);
  }

  // One pointer per function, named as in cuda.h.
  decltype(&::cuInit) cuInit = nullptr;
  decltype(&::cuDriverGetVersion) cuDriverGetVersion = nullptr;
  decltype(&::cuGetErrorName) cuGetErrorName = nullptr;
  decltype(&::cuGetErrorString) cuGetErrorString = nullptr;
  decltype(&::cuDeviceGetCount) cuDeviceGetCount = nullptr;
  decltype(&::cuDeviceGet) cuDeviceGet = nullptr;
  decltype(&::cuDeviceGetName) cuDeviceGetName = nullptr;
  decltype(&::cuDeviceGetAttribute) cuDeviceGetAttribute = nullptr;
  decltype(&::cuDevicePrimaryCtxRetain) cuDevicePrimaryCtxRetain = nullptr;
  decltype(&::cuCtxGetCurrent) cuCtxGetCurrent = nullptr;
  decltype(&::cuCtxGetDevice) cuCtxGetDevice = nullptr;
  decltype(&::cuCtxPushCurrent) cuCtxPushCurrent = nullptr;
  decltype(&::cuCtxPopCurrent) cuCtxPopCurrent = nullptr;
  decltype(&::cuCtxGetId) cuCtxGetId = nullptr;
  decltype(&::cuMemAlloc) cuMemAlloc = nullptr;
  decltype(&::cuMemFree) cuMemFree = nullptr;
  decltype(&::cuLibraryLoadData) cuLibraryLoadData = nullptr;
  decltype(&::cuLibraryUnload) cuLibraryUnload = nullptr;
  decltype(&::cuLibraryGetKernel) cuLibraryGetKernel = nullptr;
  decltype(&::cuKernelSetAttribute) cuKernelSetAttribute = nullptr;
  decltype(&::cuLaunchKernelEx) cuLaunchKernelEx = nullptr;
  decltype(&::cuStreamIsCapturing) cuStreamIsCapturing = nullptr;
  decltype(&::cuStreamGetId) cuStreamGetId = nullptr;
  decltype(&::cuTensorMapEncodeTiled) cuTensorMapEncodeTiled = nullptr;
  // For debug checks only: nothing else allocates or waits.
  decltype(&::cuMemHostAlloc) cuMemHostAlloc = nullptr;
  decltype(&::cuMemFreeHost) cuMemFreeHost = nullptr;
  decltype(&::cuStreamSynchronize) cuStreamSynchronize = nullptr;

 private:
  Driver();
  [[noreturn]] void fail(CUresult result, const char* call) const;
  std::string path_;
  int version_ = 0;
};

}  // namespace attnjit::runtime
