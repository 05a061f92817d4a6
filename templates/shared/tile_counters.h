// Counters in device memory that give out the tiles of persistent kernels.
#pragma once

namespace attnjit::kernel {

/// Each stream that launches has one of its own, which is back at 0 when a launch ends; a captured launch has none
/// (runtime/tile_counters.h gives them out).
inline constexpr int kTileCounters = 65536;
/// Instead of one: the grid has a CTA for every tile, and nothing is given out.
inline constexpr int kNoTileCounter = -1;

}  // namespace attnjit::kernel
