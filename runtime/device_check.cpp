#include "runtime/device_check.h"

#include <fmt/format.h>

#include "attnjit/error.hpp"
#include "runtime/driver.h"

namespace attnjit::runtime {

DeviceCheck::DeviceCheck(const char* operator_name, KernelLoader& loader, const KernelPlan& plan)
    : operator_(operator_name) {
  if (loader.has_device()) {
    kernel_ = loader.load(plan);
  } else {
    loader.prepare(plan);
  }
}

const Driver& DeviceCheck::driver() { return Driver::get(); }

DeviceCheck::Report::Report(const Driver& driver) : driver_(driver) {
  // All 64-bit hosts have unified addressing, so the device uses this memory at the host's address (CUDA driver API,
  // "Unified Addressing").
  void* memory = nullptr;
  driver.check(driver.cuMemHostAlloc(&memory, sizeof(kernel::CheckReport), CU_MEMHOSTALLOC_PORTABLE),
               "cuMemHostAlloc of debug_checks");
  report_ = new (memory) kernel::CheckReport{};
}

DeviceCheck::Report::~Report() { driver_.cuMemFreeHost(report_); }

void DeviceCheck::refuse_capture(CUstream stream) const {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  const CUresult result = driver().cuStreamIsCapturing(stream, &status);
  // Querying the legacy default stream while another stream is being captured returns this error.
  if (result != CUDA_ERROR_STREAM_CAPTURE_IMPLICIT) driver().check(result, "cuStreamIsCapturing");
  if (result == CUDA_SUCCESS && status == CU_STREAM_CAPTURE_STATUS_NONE) return;
  throw Error(
      Status::kInvalidArgument,
      fmt::format("{}: the stream is being captured, and debug_checks waits for the GPU before each launch, which "
                  "a captured stream cannot. Check the call outside of the capture, and capture it with an "
                  "operator of a Context without debug_checks (ContextOptions::debug_checks, "
                  "ATTNJIT_DEBUG_CHECKS)",
                  operator_));
}

void DeviceCheck::launch(const void* params, CUstream stream) const {
  kernel_->launch(1, params, stream);
  driver().check(driver().cuStreamSynchronize(stream), "cuStreamSynchronize of debug_checks");
}

}  // namespace attnjit::runtime
