// Debug mode: a check kernel runs before the launch that relies on the checked values and reports to the host. This
// file owns the report memory and the wait; each check (templates/kernels/check_*.cuh and its host half) decides
// what to check and how to word a fault.
#pragma once

#include <cuda.h>

#include <memory>

#include "runtime/kernel_loader.h"
#include "templates/shared/check_report.h"

namespace attnjit::runtime {

class DeviceCheck {
 public:
  /// Compiles or loads the kernel; without a device, compiles only.
  DeviceCheck(const char* operator_name, KernelLoader& loader, const KernelPlan& plan);

  /// Launches one CTA on the stream with an empty report in `params.report`, waits for the stream and returns what it
  /// found. Uses the current CUDA context. Throws Error(kDriverError), and Error(kInvalidArgument) for a stream
  /// being captured, which cannot be waited for.
  template <class Params>
  kernel::CheckReport run(Params params, CUstream stream) const {
    refuse_capture(stream);
    const Report report(driver());
    params.report = report.get();
    launch(&params, stream);
    return *report.get();
  }

 private:
  /// A report in memory mapped to both host and device, so nothing is copied.
  class Report {
   public:
    explicit Report(const Driver& driver);
    ~Report();
    Report(const Report&) = delete;
    Report& operator=(const Report&) = delete;
    kernel::CheckReport* get() const { return report_; }

   private:
    const Driver& driver_;
    kernel::CheckReport* report_ = nullptr;
  };

  static const Driver& driver();
  void refuse_capture(CUstream stream) const;
  void launch(const void* params, CUstream stream) const;

  const char* operator_;
  std::shared_ptr<const LoadedKernel> kernel_;  // null without a device
};

}  // namespace attnjit::runtime
