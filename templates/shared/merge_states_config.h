// Config of the kernel that merges attention states, and what follows from the config alone.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

#define ATTNJIT_MERGE_STATES_FIELDS(FIELD)                               \
  FIELD(Element, element)     /* of the states' out: f16, bf16 or f32 */ \
  FIELD(Element, out_element) /* f16, bf16, f32 or e4m3 */               \
  FIELD(int, head_dim)        /* d: multiple of 16, at most 512 */       \
  FIELD(bool, e4m3_cvt)       /* has cvt.e4m3x2 (SM 8.9 on); else integer code */

struct MergeStatesConfig {
  ATTNJIT_CONFIG_MEMBERS(ATTNJIT_MERGE_STATES_FIELDS)
  constexpr bool operator==(const MergeStatesConfig&) const = default;
};

/// A lane owns chunks of 8 columns. A row has as many lanes as chunks, rounded up to a power of two, at most a warp.
ATTNJIT_HOST_DEVICE constexpr int merge_lanes(const MergeStatesConfig& c) {
  int lanes = 2;
  while (lanes < 32 && lanes * 8 < c.head_dim) lanes *= 2;
  return lanes;
}

ATTNJIT_HOST_DEVICE constexpr int threads(const MergeStatesConfig&) { return 256; }
ATTNJIT_HOST_DEVICE constexpr int min_ctas_per_sm(const MergeStatesConfig&) { return 4; }
ATTNJIT_HOST_DEVICE constexpr int smem_bytes(const MergeStatesConfig&) { return 0; }
/// Rows per CTA.
ATTNJIT_HOST_DEVICE constexpr int merge_rows(const MergeStatesConfig& c) { return threads(c) / merge_lanes(c); }

}  // namespace attnjit::kernel
