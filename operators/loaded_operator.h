// An operator of a Context: its loaded kernels, and how a call runs.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "operators/check_indices.h"
#include "operators/kernel_set.h"
#include "runtime/context_impl.h"
#include "runtime/driver_launcher.h"
#include "runtime/loaded_kernels.h"
#include "runtime/workspace.h"

namespace attnjit::runtime {

/// Whether debug mode has indices to check.
enum class DebugCheck { kNone, kIndices };

template <class Call, class Kernels = KernelSet<Call>>
class LoadedOperator {
 public:
  /// `check` is the operator's, for messages.
  LoadedOperator(const Context& context, const ArgumentCheck& check, std::unique_ptr<Kernels> kernels,
                 DebugCheck debug = DebugCheck::kIndices, const Forced& forced = {})
      : context_(context),
        argument_check_(check),
        kernels_(std::move(kernels)),
        forced_(forced),
        loaded_(context, kernels_->plans()),
        reserved_(check) {
    if (debug == DebugCheck::kIndices && context_impl(context_)->options().debug_checks) {
      index_check_.emplace(check.operator_name(), context_impl(context_)->loader());
    }
  }

  const Kernels& kernels() const { return *kernels_; }

  /// `call` has been checked. `indices()` returns what debug mode checks. Throws what the operator's run() throws.
  template <class Indices>
  void run(const Call& call, const Workspace& given, CUstream stream, const Indices& indices) const {
    loaded_.check();
    const Schedule schedule = kernels_->schedule(call, forced_);
    if (schedule.empty() && !index_check_) return;
    const CurrentContext current(*context_impl(context_));
    if (index_check_) [[unlikely]] {
      index_check_->run(indices(), stream);
      if (schedule.empty()) return;
    }
    const WorkspaceSource source{argument_check_, given, reserved_};
    DriverLauncher launcher(Driver::get(), loaded_, stream, source);
    runtime::run(*kernels_, call, schedule, launcher);
  }

  /// Does nothing if no workspace is needed.
  void reserve(CUstream stream, std::size_t bytes) const {
    loaded_.check();
    const CurrentContext current(*context_impl(context_));
    if (bytes > 0) reserved_.reserve(stream, bytes);
  }
  void release(CUstream stream) const {
    loaded_.check();
    const CurrentContext current(*context_impl(context_));
    reserved_.release(stream);
  }

 private:
  Context context_;
  const ArgumentCheck& argument_check_;
  std::unique_ptr<Kernels> kernels_;
  Forced forced_;
  LoadedKernels loaded_;  // one per plan
  std::optional<IndexCheck> index_check_;
  mutable ReservedWorkspaces reserved_;
};

}  // namespace attnjit::runtime
