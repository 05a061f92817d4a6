// LaunchServices by the driver.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "runtime/driver.h"
#include "runtime/tensor_map.h"

namespace attnjit::runtime {

/// Gives out the tile counters of the kernels that an operator has loaded: one to each stream, since the launches of a
/// stream follow each other, and one to each captured launch, which may be replayed beside any stream. Captured
/// launches share them after some ten thousand, in turn. Thread-safe.
class TileCounters {
 public:
  int of(const Driver& driver, CUstream stream);

 private:
  std::mutex mutex_;
  std::unordered_map<CUstream, int> of_stream_;
  std::uint32_t captured_ = 0;
};

/// The services of one launch.
class DeviceServices final : public LaunchServices {
 public:
  DeviceServices(const Driver& driver, TileCounters& counters, CUstream stream)
      : driver_(driver), counters_(counters), stream_(stream) {}

  /// Encoded anew only when pointer, shape or a stride differ from those of a recent call on this thread.
  void encode(const TensorMapRequest& request, kernel::TensorMap& map) override;
  int tile_counter() override { return counters_.of(driver_, stream_); }

 private:
  [[gnu::noinline]] void encode_anew(const TensorMapRequest& request, kernel::TensorMap& map) const;

  const Driver& driver_;
  TileCounters& counters_;
  CUstream stream_;
  std::size_t place_ = 0;  // of the next map among the launch's
};

}  // namespace attnjit::runtime
