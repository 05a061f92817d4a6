// Counters in device memory that give out the tiles of persistent kernels.
#pragma once

namespace attnjit::kernel {

/// One per launch under way; each is back at 0 when its launch ends. The first 4096 belong to streams, the others to
/// captured launches (runtime/device_services.h gives them out).
inline constexpr int kTileCounters = 65536;
/// Instead of one: the grid has a CTA for every tile, and nothing is given out.
inline constexpr int kNoTileCounter = -1;

}  // namespace attnjit::kernel
