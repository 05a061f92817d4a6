#include "runtime/stream_id.h"

#include "runtime/driver.h"

namespace attnjit::runtime {

std::uint64_t stream_id(const Driver& driver, CUstream stream) {
  unsigned long long id = 0;
  driver.check(driver.cuStreamGetId(stream, &id), "cuStreamGetId");
  return id;
}

std::uint64_t context_id(const Driver& driver, CUcontext context) {
  unsigned long long id = 0;
  driver.check(driver.cuCtxGetId(context, &id), "cuCtxGetId");
  return id;
}

bool is_captured(const Driver& driver, CUstream stream) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  driver.check(driver.cuStreamIsCapturing(stream, &status), "cuStreamIsCapturing");
  return status != CU_STREAM_CAPTURE_STATUS_NONE;
}

}  // namespace attnjit::runtime
