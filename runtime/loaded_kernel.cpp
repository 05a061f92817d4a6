#include "runtime/loaded_kernel.h"

#include <fmt/format.h>

#include "runtime/driver.h"
#include "runtime/load_result.h"
#include "templates/shared/tile_counters.h"

namespace attnjit::runtime {
namespace {

void check_load(const Driver& driver, CUresult result, const char* call) {
  if (refuses_cubin(result)) throw CubinRefused{driver.describe(result)};
  try {
    driver.check(result, call);
  } catch (const Error& error) {
    if (says_nothing_of_cubin(result)) throw;
    throw CubinFailed{error};
  }
}

}  // namespace

LoadedKernel::LoadedKernel(const Driver& driver, const cache::Entry& entry, const KernelPlan& plan, CUdevice device,
                           const LogCallback& log)
    : driver_(driver),
      name_(plan.spec.family),
      threads_(static_cast<unsigned>(plan.threads)),
      smem_bytes_(static_cast<unsigned>(plan.smem_bytes)),
      tile_counters_([log, name = plan.spec.family] {
        log(LogLevel::kWarning,
            fmt::format(
                "{} has been launched on {} streams; launches on further ones balance uneven lengths less well: "
                "use streams again instead of making new ones",
                name, kernel::kTileCounters));
      }) {
  const CUresult loaded =
      driver.cuLibraryLoadData(&library_, entry.image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
  check_load(driver, loaded, "cuLibraryLoadData");
  try {
    check_load(driver, driver.cuLibraryGetKernel(&kernel_, library_, entry.entry_point.c_str()), "cuLibraryGetKernel");
    check_load(
        driver,
        driver.cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, plan.smem_bytes, kernel_, device),
        "cuKernelSetAttribute(MAX_DYNAMIC_SHARED_SIZE_BYTES)");
  } catch (...) {
    driver.cuLibraryUnload(library_);
    throw;
  }
}

LoadedKernel::~LoadedKernel() { driver_.cuLibraryUnload(library_); }

void LoadedKernel::launch(unsigned ctas, const void* params, CUstream stream, LaunchOrder order) const {
  CUlaunchConfig config{};
  config.gridDimX = ctas;
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = threads_;
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = smem_bytes_;
  config.hStream = stream;
  CUlaunchAttribute overlap{};
  if (served_order(order, driver_.version()) == LaunchOrder::kOverlapsPrevious) {
    overlap.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    overlap.value.programmaticStreamSerializationAllowed = 1;
    config.attrs = &overlap;
    config.numAttrs = 1;
  }
  void* arguments[] = {const_cast<void*>(params)};
  // A CUkernel passed as a CUfunction resolves to the launching context (CUDA driver API, cuLaunchKernelEx).
  const CUresult result = driver_.cuLaunchKernelEx(&config, reinterpret_cast<CUfunction>(kernel_), arguments, nullptr);
  if (result != CUDA_SUCCESS) [[unlikely]] {
    throw Error(Status::kDriverError,
                fmt::format("launch of {} ({} CTAs of {} threads, {} bytes of shared memory) failed: {} [{}]", name_,
                            ctas, threads_, smem_bytes_, driver_.describe(result), driver_.version_name()));
  }
}

}  // namespace attnjit::runtime
