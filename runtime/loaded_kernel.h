// One cubin, loaded by the driver and launched.
#pragma once

#include <cuda.h>

#include <string>

#include "attnjit/context.hpp"
#include "attnjit/error.hpp"
#include "cache/entry.h"
#include "runtime/kernel_plan.h"
#include "runtime/launcher.h"
#include "runtime/tile_counters.h"

namespace attnjit::runtime {

class Driver;

/// The launch order to request from a driver (13000 for CUDA 13.0). Before 12.3 CUDA graphs have no edge for
/// programmatic dependent launch, and capturing one fails. A kernel that waits for its prerequisites itself is correct
/// in either order.
constexpr LaunchOrder served_order(LaunchOrder wanted, int driver_version) {
  return driver_version < 12030 ? LaunchOrder::kAfterPrevious : wanted;
}

/// A cubin loaded by the driver. Not tied to a CUDA context: the driver loads it into each context that launches it.
class LoadedKernel {
 public:
  /// Throws CubinRefused, CubinFailed, or Error(kDriverError) for what says nothing of the cubin.
  LoadedKernel(const Driver& driver, const cache::Entry& entry, const KernelPlan& plan, CUdevice device,
               const LogCallback& log);
  ~LoadedKernel();
  LoadedKernel(const LoadedKernel&) = delete;
  LoadedKernel& operator=(const LoadedKernel&) = delete;

  /// Launches a one-dimensional grid of `ctas`; `params` is the kernel's only parameter. Throws Error(kDriverError).
  void launch(unsigned ctas, const void* params, CUstream stream,
              LaunchOrder order = LaunchOrder::kAfterPrevious) const;
  /// This module's counters, shared by all operators that launch it.
  TileCounters& tile_counters() const { return tile_counters_; }

 private:
  const Driver& driver_;
  std::string name_;
  CUlibrary library_ = nullptr;
  CUkernel kernel_ = nullptr;
  unsigned threads_ = 0;
  unsigned smem_bytes_ = 0;
  mutable TileCounters tile_counters_;
};

/// The driver does not take a cubin of this compiler or target; another one may do.
struct CubinRefused {
  std::string reason;
};

/// The driver failed to load this cubin. `error` is reported if no other cubin can be had.
struct CubinFailed {
  Error error;
};

}  // namespace attnjit::runtime
