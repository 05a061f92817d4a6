// Who runs what an operator has scheduled: the driver, the emulator, or a recorder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/tensor_map.h"

namespace attnjit::runtime {

/// How a launch meets the one before it in its stream.
enum class LaunchOrder {
  kAfterPrevious,
  /// It may begin once every CTA of the one before has called launch_dependents() or left, and waits for its results
  /// itself (programmatic dependent launch; SM 9.0 on). Only for a kernel that calls wait_for_prerequisites().
  kOverlapsPrevious,
};

/// One launch of a call.
struct Step {
  int plan = 0;       // index into KernelSet::plans()
  unsigned ctas = 0;  // of a one-dimensional grid; at least 1
  LaunchOrder order = LaunchOrder::kAfterPrevious;
};

/// Of one call: it is made for the call and destroyed after its last launch.
class Launcher {
 public:
  virtual ~Launcher() = default;
  virtual void encode(const TensorMapRequest& request, kernel::TensorMap& map) = 0;
  /// Index of a counter of the module of `plan` that is 0 when the launch starts, and that no launch uses which may run
  /// beside it; kernel::kNoTileCounter where there is none, and the CTAs take tiles in turn.
  virtual int tile_counter(int plan) = 0;
  /// Memory that the call's launches share and nobody else uses until the last of them ends, aligned to
  /// kWorkspaceAlignment. Asked for at most once.
  virtual void* workspace(std::size_t bytes) = 0;
  /// `args` is the kernel's one parameter, read before this returns.
  virtual void launch(const Step& step, const void* args) = 0;
};

}  // namespace attnjit::runtime
