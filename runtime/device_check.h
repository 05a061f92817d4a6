// Debug mode: a check kernel runs before the launch that trusts what it checks, and its report comes back to the host.
// Owns the report's memory and the waiting; what is checked, and how a fault is told, is the business of each check
// (runtime/kernels/check_*.cpp).
#pragma once

#include <cuda.h>

#include <memory>

#include "runtime/kernel_loader.h"
#include "templates/shared/check_report.h"

namespace attnjit::runtime {

class DeviceCheck {
 public:
  /// Compiles or loads the kernel; without a device it is only compiled.
  DeviceCheck(const char* operator_name, KernelLoader& loader, const KernelPlan& plan);

  /// Launches one CTA on the stream, with a report of no fault in `params.report`, waits for the stream and returns
  /// what was found. In the current CUDA context. Throws Error(kInvalidArgument) for a stream that is being captured,
  /// which cannot be waited for, and kDriverError.
  template <class Params>
  kernel::CheckReport run(Params params, CUstream stream) const {
    refuse_capture(stream);
    const Report report(driver());
    params.report = report.get();
    launch(&params, stream);
    return *report.get();
  }

 private:
  /// A report in memory that both sides see, so that nothing has to be copied.
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
