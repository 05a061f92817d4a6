// LaunchServices by the driver.
#pragma once

#include <cuda.h>

#include <cstddef>

#include "runtime/driver.h"
#include "runtime/tensor_map.h"
#include "runtime/tile_counters.h"

namespace attnjit::runtime {

/// The services of one launch, of a kernel whose module has these counters.
class DeviceServices final : public LaunchServices {
 public:
  DeviceServices(const Driver& driver, TileCounters& counters, CUstream stream)
      : driver_(driver), counters_(counters), stream_(stream) {}

  /// Encoded anew only when pointer, shape or a stride differ from those of a recent call on this thread.
  void encode(const TensorMapRequest& request, kernel::TensorMap& map) override;
  int tile_counter() override;

 private:
  [[gnu::noinline]] void encode_anew(const TensorMapRequest& request, kernel::TensorMap& map) const;

  const Driver& driver_;
  TileCounters& counters_;
  CUstream stream_;
  std::size_t place_ = 0;  // of the next map among the launch's
};

}  // namespace attnjit::runtime
