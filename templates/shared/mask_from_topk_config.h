// Config of the kernel that turns top-k indices into a mask, and what follows from the config alone.
#pragma once

#include "shared/mask_params.h"

namespace attnjit::kernel {

#define ATTNJIT_MASK_FROM_TOPK_FIELDS(FIELD)                \
  FIELD(int, warps)       /* per CTA, for its 64 queries */ \
  FIELD(int, chunk_words) /* mask words that a warp builds at a time, at most, in shared memory */

struct MaskFromTopkConfig {
  ATTNJIT_CONFIG_MEMBERS(ATTNJIT_MASK_FROM_TOPK_FIELDS)
  constexpr bool operator==(const MaskFromTopkConfig&) const = default;
};

ATTNJIT_HOST_DEVICE constexpr int threads(const MaskFromTopkConfig& c) { return c.warps * 32; }
ATTNJIT_HOST_DEVICE constexpr int min_ctas_per_sm(const MaskFromTopkConfig&) { return 1; }
/// Words of tile bits per chunk.
ATTNJIT_HOST_DEVICE constexpr int chunk_tile_words(const MaskFromTopkConfig& c) { return c.chunk_words / kMaskTile; }
/// Bytes of dynamic shared memory: one chunk per warp, and the tile bits of all.
ATTNJIT_HOST_DEVICE constexpr int smem_bytes(const MaskFromTopkConfig& c) {
  return (c.warps * c.chunk_words + chunk_tile_words(c)) * 4;
}

}  // namespace attnjit::kernel
