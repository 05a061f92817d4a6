// A bitmask of keys per query, shared by all heads, as kernels see it; and the params of the kernel that builds it.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

/// Queries, and keys, per tile of the occupancy bits.
inline constexpr int kMaskTile = 64;

/// Row i of `bits` belongs to token i: bit j % 32 of word j / 32 is set if the token sees the key at position j of its
/// request. Row mask_tile_row(...) of `tiles` belongs to 64 consecutive queries of a sequence: bit t % 32 of word t /
/// 32 is set if any of them sees one of the keys 64 t to 64 t + 63.
template <class Word>
struct KeyMask {
  Word* bits;  // [Tq, words]
  i64 bits_stride;
  Word* tiles;  // [Tq / 64 + B, tile_words]
  i64 tiles_stride;
  i32 words;  // per row of `bits`: positions from 32 * words on are not visible
  i32 tile_words;
};

/// The row of `tiles` for the 64 queries from `row` (a multiple of 64) on of sequence `batch`, whose first query is
/// token `q_start`. No two sequences share a row, and all rows are below Tq / 64 + B.
ATTNJIT_HOST_DEVICE constexpr i64 mask_tile_row(int batch, int q_start, int row) {
  return static_cast<i64>(q_start / kMaskTile) + batch + row / kMaskTile;
}

struct MaskFromTopkParams {
  const i32* indices;  // [Tq, topk]: positions in the request; negative or >= length: ignored
  i64 indices_stride;
  i32 topk;
  i32 batch;                // B
  const i32* cu_seqlens_q;  // [B + 1]
  const i32* seq_lens;      // [B]: keys of each request; null: at least as many as the mask has bits
  KeyMask<u32> mask;
  i32 parts;        // CTAs per row of tile bits: each builds every parts-th chunk of words
  i32 chunk_words;  // words per chunk: a multiple of kMaskTile
};

}  // namespace attnjit::kernel
