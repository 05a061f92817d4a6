// An operator's kernels, parallel to its plans: loaded if there is a device, else only compiled and cached.
#pragma once

#include <memory>
#include <vector>

#include "attnjit/error.hpp"
#include "runtime/context_impl.h"

namespace attnjit::runtime {

class LoadedKernels {
 public:
  LoadedKernels(const Context& context, const std::vector<KernelPlan>& plans) {
    KernelLoader& loader = context_impl(context)->loader();
    for (const KernelPlan& plan : plans) {
      if (context_impl(context)->has_device()) {
        loaded_.push_back(loader.load(plan));
      } else {
        loader.prepare(plan);
      }
    }
  }

  /// Throws Error(kInvalidArgument) without a device.
  void check() const {
    if (loaded_.empty()) [[unlikely]] {
      throw Error(
          Status::kInvalidArgument,
          "this operator was made by a Context without a device: it compiles and caches, and cannot run. Make a "
          "Context of a device");
    }
  }
  const LoadedKernel& operator[](int plan) const { return *loaded_[static_cast<std::size_t>(plan)]; }

 private:
  std::vector<std::shared_ptr<const LoadedKernel>> loaded_;
};

}  // namespace attnjit::runtime
