// The kernels an operator's calls choose from, and the launches of one call. All operators share this interface.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/kernel_plan.h"
#include "runtime/launcher.h"

namespace attnjit::runtime {

/// The launches of a call, in order. Empty if there is nothing to do.
struct Schedule {
  std::array<Step, 4> steps{};
  int count = 0;
  std::size_t workspace_bytes = 0;

  Schedule& then(const Step& step) {
    steps[static_cast<std::size_t>(count++)] = step;
    return *this;
  }
  const Step& operator[](int i) const { return steps[static_cast<std::size_t>(i)]; }
  bool empty() const { return count == 0; }
};

/// Overrides for the schedule's own choices, for tests, benchmarks and tuners.
struct Forced {
  int plan = -1;      // index of the main kernel in plans(); -1: let the call decide
  unsigned ctas = 0;  // CTAs that share the tiles of a persistent kernel; 0: one per SM
  bool operator==(const Forced&) const = default;
};

/// Storage for the parameter of one step.
class ArgsStorage {
 public:
  template <class Args>
  Args& make(const Args& from) {
    static_assert(sizeof(Args) <= kBytes && alignof(Args) <= kAlignment && std::is_trivially_copyable_v<Args>);
    return *new (bytes_) Args(from);
  }
  /// Leaves the members uninitialized.
  template <class Args>
  Args& make() {
    static_assert(sizeof(Args) <= kBytes && alignof(Args) <= kAlignment && std::is_trivially_copyable_v<Args>);
    return *new (bytes_) Args;
  }

 private:
  static constexpr std::size_t kBytes = 1152;
  static constexpr std::size_t kAlignment = 64;
  alignas(kAlignment) std::byte bytes_[kBytes];
};

/// `Call` is a checked call of the operator.
template <class Call>
class KernelSet {
 public:
  virtual ~KernelSet() = default;
  const std::vector<KernelPlan>& plans() const { return plans_; }

  /// Chooses the kernels a call launches, their grids and the workspace they share. Pure. Throws
  /// Error(kInvalidArgument) if the call is too large for a grid.
  virtual Schedule schedule(const Call& call, const Forced& forced = {}) const = 0;
  /// Builds the parameter of one step of the schedule in `storage`. `workspace` has schedule.workspace_bytes.
  virtual const void* args(const Call& call, const Schedule& schedule, int step, void* workspace, Launcher& launcher,
                           ArgsStorage& storage) const = 0;

  /// Records in each plan the operator it serves and the oldest compiler that builds it.
  void serve(const OperatorText& which, jit::CompilerVersion oldest_compiler) {
    for (KernelPlan& plan : plans_) {
      plan.serves = which;
      plan.oldest_compiler = std::max(plan.oldest_compiler, oldest_compiler);
    }
  }

 protected:
  std::vector<KernelPlan> plans_;
};

/// Launches a schedule.
template <class Call>
void run(const KernelSet<Call>& kernels, const Call& call, const Schedule& schedule, Launcher& launcher) {
  void* const workspace = schedule.workspace_bytes > 0 ? launcher.workspace(schedule.workspace_bytes) : nullptr;
  for (int i = 0; i < schedule.count; ++i) {
    ArgsStorage storage;
    launcher.launch(schedule[i], kernels.args(call, schedule, i, workspace, launcher, storage));
  }
}

}  // namespace attnjit::runtime
