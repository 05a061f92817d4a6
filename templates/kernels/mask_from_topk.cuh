// Turns top-k indices into a bitmask of keys per query, and into one bit per 64 queries x 64 keys.
//
// One CTA owns 64 consecutive queries of one sequence, that is one row of tile bits; the grid is one-dimensional over
// the rows that tile bits have room for, and CTAs without queries leave at once. A warp owns four of the queries: it
// sets their bits in shared memory, one chunk of positions after another, so that duplicates count once and every word
// of the mask is written exactly once.
#pragma once

#include "ptx/memory.cuh"
#include "shared/mask_from_topk_config.h"

namespace attnjit::kernel {

template <MaskFromTopkConfig kConfig>
struct MaskFromTopkShared {
  u32 bits[kMaskWarps][kConfig.chunk_words];
  u32 tiles[chunk_tile_words(kConfig)];
};

/// The sequence whose tile rows hold `tile_row`: the last one that begins at or before it.
ATTNJIT_DEVICE int sequence_of_tile_row(const i32* cu_seqlens_q, int batch, i64 tile_row) {
  int low = 0;
  int high = batch - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (mask_tile_row(middle, cu_seqlens_q[middle], 0) <= tile_row) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

template <MaskFromTopkConfig kConfig>
ATTNJIT_DEVICE void mask_from_topk(const MaskFromTopkParams& params) {
  constexpr int kWords = kConfig.chunk_words;
  constexpr int kTileWords = chunk_tile_words(kConfig);
  constexpr int kQueriesPerWarp = kMaskTile / kMaskWarps;
  static_assert(kWords % kMaskTile == 0);
  using Shared = MaskFromTopkShared<kConfig>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  Shared& shared = dynamic_shared<Shared>();

  // ---- this CTA's queries
  const i64 tile_row = block_index();
  const int sequence = sequence_of_tile_row(params.cu_seqlens_q, params.batch, tile_row);
  const int q_start = params.cu_seqlens_q[sequence];
  const int len_q = params.cu_seqlens_q[sequence + 1] - q_start;
  const int first_query = static_cast<int>(tile_row - mask_tile_row(sequence, q_start, 0)) * kMaskTile;
  if (first_query >= len_q) return;
  const u32 len_k = static_cast<u32>(params.seq_lens[sequence]);
  const int warp = thread_index() / 32;
  const int lane = thread_index() % 32;
  const u32 bits = shared_address(&shared.bits[warp]);
  const u32 tiles = shared_address(&shared.tiles);

  for (int first_word = 0; first_word < params.mask.words; first_word += kWords) {
    const int words = min_of(kWords, params.mask.words - first_word);
    sync_block();  // the tile bits of the chunk before have been written
    if (thread_index() < kTileWords) store_shared(tiles + thread_index() * 4, 0u);
    sync_block();

    for (int i = 0; i < kQueriesPerWarp; ++i) {
      const int query = first_query + warp * kQueriesPerWarp + i;
      if (query >= len_q) break;
      for (int word = lane; word < words; word += 32) store_shared(bits + word * 4, 0u);
      sync_warp();

      const i32* const indices = params.indices + (static_cast<i64>(q_start) + query) * params.indices_stride;
#pragma unroll 8
      for (int k = lane; k < params.topk; k += 32) {
        const u32 position = static_cast<u32>(indices[k]);  // a negative one becomes larger than any length
        const u32 word = position / 32 - static_cast<u32>(first_word);
        if (position < len_k && word < static_cast<u32>(words)) atomic_or_shared(bits + word * 4, 1u << position % 32);
      }
      sync_warp();

      u32* const row = params.mask.bits + (static_cast<i64>(q_start) + query) * params.mask.bits_stride + first_word;
      for (int word = lane; word < words; word += 32) {
        const u32 value = load_shared(bits + word * 4);
        row[word] = value;
        if (value != 0) atomic_or_shared(tiles + word / kMaskTile * 4, 1u << word % kMaskTile / 2);
      }
      sync_warp();
    }

    sync_block();  // the tile bits of the chunk are complete
    const int tile_word = first_word / kMaskTile + thread_index();
    if (thread_index() < kTileWords && tile_word < params.mask.tile_words) {
      params.mask.tiles[tile_row * params.mask.tiles_stride + tile_word] = load_shared(tiles + thread_index() * 4);
    }
  }
}

}  // namespace attnjit::kernel
