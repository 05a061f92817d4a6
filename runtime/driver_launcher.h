// The Launcher that uses the CUDA driver.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <optional>

#include "attnjit/workspace.hpp"
#include "runtime/driver.h"
#include "runtime/host_callbacks.h"
#include "runtime/launcher.h"
#include "runtime/loaded_kernels.h"
#include "runtime/workspace.h"

namespace attnjit::runtime {

/// Where a call's workspace may come from.
struct WorkspaceSource {
  const ArgumentCheck& check;  // the operator's, for messages
  const Workspace& given;      // passed by the caller with the call
  const ReservedWorkspaces& reserved;
};

/// Launches on `stream` of the current CUDA context.
class DriverLauncher final : public Launcher {
 public:
  DriverLauncher(const Driver& driver, const LoadedKernels& kernels, CUstream stream, const WorkspaceSource& source)
      : driver_(driver), kernels_(kernels), stream_(stream), source_(source) {}

  /// Re-encodes only if the pointer, shape or a stride differs from that of a recent call on this thread.
  void encode(const TensorMapRequest& request, kernel::TensorMap& map) override;
  int tile_counter(int plan) override;
  /// Throws Error(kInvalidArgument) if neither the caller's nor the reserved workspace is large enough.
  void* workspace(std::size_t bytes) override;
  void launch(const Step& step, const void* args) override;

 private:
  [[gnu::noinline]] void encode_anew(const TensorMapRequest& request, kernel::TensorMap& map) const;

  const Driver& driver_;
  const LoadedKernels& kernels_;
  CUstream stream_;
  const WorkspaceSource& source_;
  std::size_t place_ = 0;             // index of the next map of the call
  std::optional<HeldLogLines> held_;  // released after the workspace: the host's callback may itself make a call
  CallWorkspace workspace_;
};

}  // namespace attnjit::runtime
