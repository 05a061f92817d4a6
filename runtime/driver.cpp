#include "runtime/driver.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "attnjit/error.hpp"
#include "process/fork.h"

namespace attnjit::runtime {
namespace {

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

}  // namespace

const Driver& Driver::get() {
  // Not a function-local static object: its constructor would be retried under the compiler's own lock, and a process
  // that exits must not run a destructor while other threads still launch. Every operator call passes here, so the lock
  // is only taken until a driver exists.
  static std::atomic<const Driver*> driver = nullptr;
  if (const Driver* const opened = driver.load(std::memory_order_acquire)) return *opened;
  static constinit process::Occupancy opening;
  static constinit std::mutex mutex;
  const process::Stay stay(opening);
  if (!stay.entered()) {
    throw Error(
        Status::kNoDriver,
        "this process was forked while another thread was opening the CUDA driver, which is of no use in such a "
        "child: fork before the first Context of a device, or start another program (exec)");
  }
  const std::lock_guard lock(mutex);
  if (driver.load(std::memory_order_relaxed) == nullptr) driver.store(new Driver(), std::memory_order_release);
  return *driver.load(std::memory_order_relaxed);
}

Driver::Driver() {
  const char* wanted = std::getenv("ATTNJIT_LIBCUDA");
  path_ = wanted != nullptr && *wanted != '\0' ? wanted : "libcuda.so.1";
  void* const library = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Error(Status::kNoDriver,
                fmt::format("no CUDA driver: {}. Install the NVIDIA driver, or name its libcuda by ATTNJIT_LIBCUDA; "
                            "a Context with device = ContextOptions::kNoDevice compiles without one",
                            dlerror()));
  }

  const auto version_of = reinterpret_cast<decltype(&::cuDriverGetVersion)>(dlsym(library, "cuDriverGetVersion"));
  if (version_of == nullptr || version_of(&version_) != CUDA_SUCCESS) {
    throw Error(Status::kNoDriver, fmt::format("{} has no working cuDriverGetVersion: not a CUDA driver", path_));
  }
  if (version_ < kOldestVersion) {
    throw Error(Status::kNoDriver, fmt::format("{} is of CUDA {}; CUDA {} or newer is needed: update the driver", path_,
                                               version_text(version_), version_text(kOldestVersion)));
  }

  using GetProcAddress = CUresult (*)(const char*, void**, int, cuuint64_t, CUdriverProcAddressQueryResult*);
  const auto get_address = reinterpret_cast<GetProcAddress>(dlsym(library, "cuGetProcAddress_v2"));
  // Pass the version of the interface we want, not the driver's: a later driver may give the name another signature.
  const auto look_up = [&](auto& function, const char* name) {
    void* address = nullptr;
    if (get_address == nullptr || get_address(name, &address, kOldestVersion, 0, nullptr) != CUDA_SUCCESS ||
        address == nullptr) {
      throw Error(Status::kNoDriver,
                  fmt::format("{} (CUDA {}) has no {}: update the driver", path_, version_text(version_), name));
    }
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
  };
  look_up(cuInit, "cuInit");
  look_up(cuDriverGetVersion, "cuDriverGetVersion");
  look_up(cuGetErrorName, "cuGetErrorName");
  look_up(cuGetErrorString, "cuGetErrorString");
  look_up(cuDeviceGetCount, "cuDeviceGetCount");
  look_up(cuDeviceGet, "cuDeviceGet");
  look_up(cuDeviceGetName, "cuDeviceGetName");
  look_up(cuDeviceGetAttribute, "cuDeviceGetAttribute");
  look_up(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
  look_up(cuCtxGetCurrent, "cuCtxGetCurrent");
  look_up(cuCtxGetDevice, "cuCtxGetDevice");
  look_up(cuCtxPushCurrent, "cuCtxPushCurrent");
  look_up(cuCtxPopCurrent, "cuCtxPopCurrent");
  look_up(cuCtxGetId, "cuCtxGetId");
  look_up(cuMemAlloc, "cuMemAlloc");
  look_up(cuMemFree, "cuMemFree");
  look_up(cuLibraryLoadData, "cuLibraryLoadData");
  look_up(cuLibraryUnload, "cuLibraryUnload");
  look_up(cuLibraryGetKernel, "cuLibraryGetKernel");
  look_up(cuKernelSetAttribute, "cuKernelSetAttribute");
  look_up(cuLaunchKernelEx, "cuLaunchKernelEx");
  look_up(cuMemHostAlloc, "cuMemHostAlloc");
  look_up(cuMemFreeHost, "cuMemFreeHost");
  look_up(cuStreamIsCapturing, "cuStreamIsCapturing");
  look_up(cuStreamGetId, "cuStreamGetId");
  look_up(cuStreamSynchronize, "cuStreamSynchronize");
  look_up(cuTensorMapEncodeTiled, "cuTensorMapEncodeTiled");

  if (const CUresult result = cuInit(0); result != CUDA_SUCCESS) {
    throw Error(Status::kNoDriver,
                fmt::format("cuInit of {} (CUDA {}) failed: {}. See whether nvidia-smi shows a GPU to this process",
                            path_, version_text(version_), describe(result)));
  }
}

std::string Driver::version_name() const { return fmt::format("CUDA {} driver ({})", version_text(version_), path_); }

std::string Driver::describe(CUresult result) const {
  const char* name = nullptr;
  const char* text = nullptr;
  if (cuGetErrorName(result, &name) != CUDA_SUCCESS || name == nullptr) {
    return fmt::format("unknown error {}", static_cast<int>(result));
  }
  cuGetErrorString(result, &text);
  return fmt::format("{}: {}", name, text == nullptr ? "" : text);
}

void Driver::fail(CUresult result, const char* call) const {
  throw Error(Status::kDriverError, fmt::format("{} failed: {} [{}]", call, describe(result), version_name()));
}

}  // namespace attnjit::runtime
