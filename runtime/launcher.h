// What runs an operator's schedule: the driver, the emulator or a recorder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/tensor_map.h"

namespace attnjit::runtime {

/// How a launch is ordered after the previous one in its stream.
enum class LaunchOrder {
  kAfterPrevious,
  /// May begin once every CTA of the previous launch has called launch_dependents() or exited, and waits for its
  /// results itself (programmatic dependent launch, SM 9.0 on). Only for kernels that call wait_for_prerequisites().
  kOverlapsPrevious,
};

/// One launch of a call.
struct Step {
  int plan = 0;       // index into KernelSet::plans()
  unsigned ctas = 0;  // size of the one-dimensional grid; at least 1
  LaunchOrder order = LaunchOrder::kAfterPrevious;
};

/// Serves one call: created for it and destroyed after its last launch.
class Launcher {
 public:
  virtual ~Launcher() = default;
  virtual void encode(const TensorMapRequest& request, kernel::TensorMap& map) = 0;
  /// Index of a counter in the module of `plan` that is 0 when the launch starts and that no concurrent launch uses.
  /// kernel::kNoTileCounter if there is none; the CTAs then take tiles round-robin.
  virtual int tile_counter(int plan) = 0;
  /// Memory shared by the call's launches and exclusive to them until the last one ends, aligned to
  /// kWorkspaceAlignment. Requested at most once.
  virtual void* workspace(std::size_t bytes) = 0;
  /// `args` is the kernel's only parameter, read before this returns.
  virtual void launch(const Step& step, const void* args) = 0;
};

}  // namespace attnjit::runtime
