// Tile counters of persistent kernels, in device memory.
#pragma once

namespace attnjit::kernel {

/// Each stream that launches has its own counter, which is back at 0 when a launch ends; a captured launch has none
/// (runtime/tile_counters.h assigns them).
inline constexpr int kTileCounters = 65536;
/// In place of a counter: nothing is claimed, CTAs take tiles round-robin (one each if the grid has a CTA per tile).
inline constexpr int kNoTileCounter = -1;

}  // namespace attnjit::kernel
