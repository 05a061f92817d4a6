// Config of the Hopper varlen attention kernel, and what follows from the config alone.
#pragma once

#include "shared/mha_varlen_params.h"
#include "shared/tensor_map.h"
#include "shared/types.h"

namespace attnjit::kernel {

#define ATTNJIT_SM90_MHA_VARLEN_FIELDS(FIELD)                                          \
  FIELD(Element, element)     /* of q, k and v: f16 or bf16 */                         \
  FIELD(Element, out_element) /* the same, or e4m3 (quantised by out_scale) */         \
  FIELD(int, head_dim_qk)     /* dqk */                                                \
  FIELD(int, head_dim_v)      /* dv */                                                 \
  FIELD(int, rope_dim)        /* P: columns of q and k that come from q_pe and k_pe */ \
  FIELD(bool, causal)         /* bottom-right aligned */                               \
  FIELD(bool, masked)         /* under a bitmask of keys (top-k sparse attention) */   \
  FIELD(int, block_m)         /* kBlockM: query rows of a CTA, 128 or 64 */            \
  FIELD(int, block_n)         /* kBlockN: keys per step */                             \
  FIELD(int, stages)          /* tiles of K, and of V, in flight or in use */

struct Sm90MhaVarlenConfig {
  ATTNJIT_CONFIG_MEMBERS(ATTNJIT_SM90_MHA_VARLEN_FIELDS)
  constexpr bool operator==(const Sm90MhaVarlenConfig&) const = default;
};

/// Consumer warpgroups; each owns 64 query rows. With block_m 128 the rows differ; with 64 they are the same, and each
/// consumer owns half of the keys of every block. One more warpgroup is the producer.
inline constexpr int kConsumers = 2;
inline constexpr int kConsumerRows = 64;
/// Slots for published tiles: the one being processed, and the next.
inline constexpr int kTileSlots = 2;

ATTNJIT_HOST_DEVICE constexpr int threads(const Sm90MhaVarlenConfig&) { return (kConsumers + 1) * 128; }
ATTNJIT_HOST_DEVICE constexpr int min_ctas_per_sm(const Sm90MhaVarlenConfig&) { return 1; }
ATTNJIT_HOST_DEVICE constexpr int slabs(int columns) { return ceil_div(columns, kSlabColumns); }
ATTNJIT_HOST_DEVICE constexpr int qk_slabs(const Sm90MhaVarlenConfig& c) {
  return slabs(c.head_dim_qk - c.rope_dim) + slabs(c.rope_dim);
}

/// Columns that exist in slab `index`; slabs of nope columns come first, then those of rope columns.
ATTNJIT_HOST_DEVICE constexpr int slab_columns(const Sm90MhaVarlenConfig& c, int index) {
  const int nope = c.head_dim_qk - c.rope_dim;
  const int left =
      index < slabs(nope) ? nope - index * kSlabColumns : c.rope_dim - (index - slabs(nope)) * kSlabColumns;
  return min_of(left, kSlabColumns);
}
ATTNJIT_HOST_DEVICE constexpr bool all_slabs_full(const Sm90MhaVarlenConfig& c) {
  return (c.head_dim_qk - c.rope_dim) % kSlabColumns == 0 && c.rope_dim % kSlabColumns == 0;
}
/// The output accumulator is split into groups of columns, each as wide as one wgmma: 64, 96, 128, or twice 128.
ATTNJIT_HOST_DEVICE constexpr int out_groups(const Sm90MhaVarlenConfig& c) { return ceil_div(c.head_dim_v, 128); }

/// 8-column output tiles that a warp stages at a time: fewer under a mask, whose bits need the shared memory.
ATTNJIT_HOST_DEVICE constexpr int staged_tiles(const Sm90MhaVarlenConfig& c) { return c.masked ? 4 : 8; }
ATTNJIT_HOST_DEVICE constexpr int staging_pitch(const Sm90MhaVarlenConfig& c) {
  return staged_tiles(c) * 8 * bytes_of(c.out_element) + 16;
}

/// Pitch of the float32 rows that consumers with the same query rows exchange: half of the columns, plus 8 words of
/// padding that keep stores and loads of fragments free of bank conflicts.
ATTNJIT_HOST_DEVICE constexpr int exchange_pitch(const Sm90MhaVarlenConfig& c) { return c.head_dim_v / 2 + 8; }

ATTNJIT_HOST_DEVICE constexpr int smem_bytes(const Sm90MhaVarlenConfig& c) {
  const int row = kSlabColumns * 2;
  const int q = qk_slabs(c) * c.block_m * row;
  const int k = c.stages * qk_slabs(c) * c.block_n * row;
  const int v = c.stages * slabs(c.head_dim_v) * c.block_n * row;
  const int out = c.block_m == kConsumerRows ? kConsumers * kConsumerRows * (exchange_pitch(c) * 4 + 8)
                                             : kConsumers * kConsumerRows * staging_pitch(c);
  const int barriers = (2 * kConsumers + 4 * c.stages + 2 * kTileSlots + 1) * 8;
  const int tiles = kTileSlots * 32 + kConsumers * 4 * 12;  // and the rows of each warp
  const int blocks = c.masked ? c.stages * (4 + c.block_m * kMaskBoxWords * 4) : 0;
  return (q + k + v + out + barriers + tiles + blocks + 1023) / 1024 * 1024;
}

/// Params of the kernel: the tensors as TMA reads them, and everything else.
struct Sm90MhaVarlenParams {
  TensorMap q_nope;
  TensorMap q_pe;
  TensorMap k_nope;
  TensorMap k_pe;
  TensorMap v;
  TensorMap mask;
  MhaVarlenParams call;
  i32 mask_is_mapped;  // 0: TMA cannot load it, its rows are not 16-byte aligned
  u32 zero;            // 0, but unknown to the compiler
  i32 counter;         // the tile counter of this launch in device memory; or kNoTileCounter
  i32 batch;
  i32 head_group;  // heads whose tiles are claimed together, so that their keys stay in L2;
  i32 last_heads;  // the last heads form one group, whose short tiles come last of all
};

}  // namespace attnjit::kernel
