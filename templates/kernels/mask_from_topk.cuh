// Turns top-k indices into a bitmask of keys per query, plus one occupancy bit per tile of 64 queries x 64 keys.
//
// One CTA owns 64 consecutive queries of one sequence, which is one row of tile bits, and every `parts`-th chunk of
// their mask words. The grid is one-dimensional, with `parts` CTAs for each row that the tile bits have room for; CTAs
// without queries exit at once. Each warp sets the bits of its queries in shared memory, one query after another, so
// that duplicates count once and every word of the mask is written exactly once.
//
// The indices are read once per chunk, mostly from L2. Two CTAs per row pay off only where SMs would otherwise be idle:
// the limit is the rate of shared memory atomics per SM, and each CTA then has half of them.
#pragma once

#include "ptx/memory.cuh"
#include "shared/mask_from_topk_config.h"

namespace attnjit::kernel {

template <MaskFromTopkConfig kConfig>
struct MaskFromTopkShared {
  u32 bits[kConfig.warps][kConfig.chunk_words];
  u32 tiles[chunk_tile_words(kConfig)];
};

/// Finds the sequence that `tile_row` belongs to: the last one whose tile rows begin at or before it.
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

/// Calls visit(index) for this lane's share of a row of indices, and with -1 for padding of a batch. All loads of a
/// batch are issued before the first visit: visit() orders memory, so the compiler would not move a load across it.
template <class Visit>
ATTNJIT_DEVICE void for_each_index(const i32* row, int count, const Visit& visit) {
  constexpr int kVectors = 4;  // 64 bytes in flight per lane
  constexpr int kScalars = 8;
  const int lane = thread_index() % 32;
  int done = 0;
  if (reinterpret_cast<u64>(row) % sizeof(Vec16) == 0) {
    done = count / 4 * 4;
    for (int first = lane * 4; first < done; first += kVectors * 128) {
      Vec16 batch[kVectors];
#pragma unroll
      for (int i = 0; i < kVectors; ++i) {
        batch[i] = first + i * 128 < done ? load_global_16(row + first + i * 128) : Vec16{{~0u, ~0u, ~0u, ~0u}};
      }
#pragma unroll
      for (int i = 0; i < kVectors * 4; ++i) visit(static_cast<i32>(batch[i / 4].word[i % 4]));
    }
  }
  for (int first = done + lane; first < count; first += kScalars * 32) {
    i32 batch[kScalars];
#pragma unroll
    for (int i = 0; i < kScalars; ++i) batch[i] = first + i * 32 < count ? row[first + i * 32] : -1;
#pragma unroll
    for (int i = 0; i < kScalars; ++i) visit(batch[i]);
  }
}

/// ORs adjacent bits: bit i of the result is set if bit 2 i or bit 2 i + 1 of `bits` is.
ATTNJIT_DEVICE u32 join_pairs(u32 bits) {
  u32 joined = (bits | bits >> 1) & 0x55555555u;
  joined = (joined | joined >> 1) & 0x33333333u;
  joined = (joined | joined >> 2) & 0x0f0f0f0fu;
  joined = (joined | joined >> 4) & 0x00ff00ffu;
  return (joined | joined >> 8) & 0x0000ffffu;
}

template <MaskFromTopkConfig kConfig>
ATTNJIT_DEVICE void mask_from_topk(const MaskFromTopkParams& params) {
  constexpr int kTileWords = chunk_tile_words(kConfig);
  constexpr int kQueriesPerWarp = kMaskTile / kConfig.warps;
  static_assert(kConfig.chunk_words % kMaskTile == 0 && kQueriesPerWarp * kConfig.warps == kMaskTile);
  static_assert(kTileWords <= threads(kConfig));
  using Shared = MaskFromTopkShared<kConfig>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  Shared& shared = dynamic_shared<Shared>();

  // ---- this CTA's queries
  const u32 parts = static_cast<u32>(params.parts);
  const i64 tile_row = block_index() / parts;
  const int part = static_cast<int>(block_index() % parts);
  const int sequence = sequence_of_tile_row(params.cu_seqlens_q, params.batch, tile_row);
  const int q_start = params.cu_seqlens_q[sequence];
  const int len_q = params.cu_seqlens_q[sequence + 1] - q_start;
  const int first_query = static_cast<int>(tile_row - mask_tile_row(sequence, q_start, 0)) * kMaskTile;
  if (first_query >= len_q) return;
  const u32 len_k = params.seq_lens != nullptr ? static_cast<u32>(params.seq_lens[sequence]) : 0x80000000u;
  const int warp = thread_index() / 32;
  const int lane = thread_index() % 32;
  const u32 bits = shared_address(&shared.bits[warp]);
  const u32 tiles = shared_address(&shared.tiles);

  const int all_words = params.mask.words;
  for (int first_word = part * params.chunk_words; first_word < all_words;
       first_word += params.parts * params.chunk_words) {
    const int words = min_of(params.chunk_words, all_words - first_word);
    // Each tile word is cleared by the same thread that later writes it out.
    if (thread_index() < kTileWords) store_shared(tiles + thread_index() * 4, 0u);
    sync_block();

    for (int i = 0; i < kQueriesPerWarp; ++i) {
      const int query = first_query + warp * kQueriesPerWarp + i;
      if (query >= len_q) break;
      // The lanes that wrote these words out for the previous query clear them.
      for (int word = lane; word < words; word += 32) store_shared(bits + word * 4, 0u);
      sync_warp();

      const i64 token = static_cast<i64>(q_start) + query;
      for_each_index(params.indices + token * params.indices_stride, params.topk, [&](i32 index) {
        const u32 position = static_cast<u32>(index);  // a negative index becomes larger than any length
        const u32 word = position / 32 - static_cast<u32>(first_word);
        if (position < len_k && word < static_cast<u32>(words)) atomic_or_shared(bits + word * 4, 1u << position % 32);
      });
      sync_warp();

      u32* const row = params.mask.bits + token * params.mask.bits_stride + first_word;
      for (int first = 0; first < words; first += 32) {
        const int word = first + lane;
        const u32 value = word < words ? load_shared(bits + word * 4) : 0u;
        if (word < words) row[word] = value;
        // 32 words are 16 tiles: half a word of tile bits.
        const u32 occupied = join_pairs(ballot(value != 0));
        if (lane == 0 && occupied != 0)
          atomic_or_shared(tiles + first / kMaskTile * 4, occupied << first % kMaskTile / 2);
      }
    }

    sync_block();  // the chunk's tile bits are complete
    const int tile_word = first_word / kMaskTile + thread_index();
    if (thread_index() * kMaskTile < words && tile_word < params.mask.tile_words) {
      params.mask.tiles[tile_row * params.mask.tiles_stride + tile_word] = load_shared(tiles + thread_index() * 4);
    }
  }
}

}  // namespace attnjit::kernel
