// Attention under a bitmask of keys (top-k sparse attention): which key blocks a CTA visits at all, and which keys of a
// block its rows see.
#pragma once

#include "core/mask.cuh"
#include "ptx/memory.cuh"
#include "shared/mha_varlen_params.h"

namespace attnjit::kernel {

/// Position of a sequence's first key in its request.
template <bool kMasked>
ATTNJIT_DEVICE int key_offset(const MhaVarlenParams& call, int sequence) {
  return kMasked && call.key_offset != nullptr ? call.key_offset[sequence] : 0;
}

/// Visits every block below `end`.
class AllBlocks {
 public:
  ATTNJIT_DEVICE explicit AllBlocks(int end) : end_(end) {}
  /// The first block to visit; -1 if there is none.
  ATTNJIT_DEVICE int first() const { return after(-1); }
  /// The block after `block`, which was visited or is -1; -1 if there is none.
  ATTNJIT_DEVICE int after(int block) const { return block + 1 < end_ ? block + 1 : -1; }

 private:
  int end_;
};

/// Rows of tile bits that belong to a query tile, and the number of key blocks up to the last one that any row sees.
struct MaskTileRows {
  i64 first;
  int count;
  int blocks;
  ATTNJIT_DEVICE MaskTileRows(int sequence, int q_start, int m_begin, int m_rows, int n_blocks)
      : first(mask_tile_row(sequence, q_start, m_begin)), count(ceil_div(m_rows, kMaskTile)), blocks(n_blocks) {}
};

/// Visits the blocks of kBlockN keys in which a tile bit is set for any of the CTA's queries.
///
/// Keys are local to the call; `offset` is the position of the first one in its request. The bits are scanned 32 tiles
/// at a time, so that long gaps cost nothing.
template <int kBlockN, class FindRows>
class OccupiedBlocks {
 public:
  /// `find_rows` returns the CTA's MaskTileRows; it is called once per 32 tiles.
  ATTNJIT_DEVICE OccupiedBlocks(const KeyMask<const u32>& mask, const FindRows& find_rows, int offset)
      : mask_(mask), find_rows_(find_rows), offset_(offset) {}

  /// As in AllBlocks.
  ATTNJIT_DEVICE int first() { return search(0, -1); }
  ATTNJIT_DEVICE int after(int block) {
    const int next = block + 1;
    if (next % kBlocksPerTile != 0) return next < find_rows_().blocks ? next : -1;  // same tile as `block`
    return search(next / kBlocksPerTile * kTilesPerBlock, ceil_div(next, kBlocksPerWord) - 1);
  }

 private:
  static constexpr int kBlocksPerTile = max_of(1, kMaskTile / kBlockN);
  static constexpr int kTilesPerBlock = max_of(1, kBlockN / kMaskTile);
  static constexpr int kBlocksPerWord = 32 * kBlocksPerTile / kTilesPerBlock;

  /// Finds the first occupied block from tile `tile` on, at which a block begins. bits_ holds the bits of word
  /// `loaded`.
  ATTNJIT_DEVICE int search(int tile, int loaded) {
    for (;; tile = tile / 32 * 32 + 32) {
      const int word = tile / 32;
      if (word != loaded && !load(word)) return -1;
      loaded = word;
      const u32 candidates = bits_ & 0xffffffffu << tile % 32;  // tiles from this one on
      if (candidates != 0) return (word * 32 + lowest_bit(candidates)) / kTilesPerBlock * kBlocksPerTile;
    }
  }

  /// Loads a word into bits_. Bit t says: local keys 64 (32 word + t) to 63 beyond touch an occupied tile, and at least
  /// one of them may be visible. Returns false if all keys lie before this word.
  ATTNJIT_DEVICE bool load(int word) {
    const MaskTileRows rows = find_rows_();
    const int tiles = ceil_div(rows.blocks, kBlocksPerTile) * kTilesPerBlock - word * 32;
    if (tiles <= 0) return false;
    const int first = offset_ / kMaskTile + word * 32;  // tile of the request
    bits_ = 0;
    const u32 shift = static_cast<u32>(first % 32);
    const u32* from = mask_.tiles + rows.first * mask_.tiles_stride + first / 32;
#pragma unroll 1
    for (int left = rows.count; left > 0; --left, from += mask_.tiles_stride) {
      const u32 low = at(from, 0, first / 32);
      const u32 high = at(from, 1, first / 32);
      const u32 own = funnel_right(low, high, shift);
      bits_ |= own;
      // If the request's tiles are not aligned with the local ones, local tile t also touches the next one.
      if (offset_ % kMaskTile != 0) bits_ |= funnel_right(own, funnel_right(high, at(from, 2, first / 32), shift), 1u);
    }
    bits_ &= 0xffffffffu >> (32 - min_of(tiles, 32));
    return true;
  }
  /// Words past the mask's last one have no bits.
  ATTNJIT_DEVICE u32 at(const u32* from, int word, int index) const {
    return index + word < mask_.tile_words ? from[word] : 0u;
  }

  const KeyMask<const u32>& mask_;
  FindRows find_rows_;
  int offset_;
  u32 bits_ = 0;
};

/// Iterates over the first `n_blocks` key blocks of a query tile: all of them, or those that the mask occupies. It
/// starts with the first block, so that tiles of one head read the same keys at the same time. Starting at the
/// diagonal, each tile would begin with different keys, and all keys would be requested from memory at once.
template <bool kMasked, int kBlockN, class FindRows>
ATTNJIT_DEVICE auto key_blocks(const KeyMask<const u32>& mask, const FindRows& find_rows, int offset, int n_blocks) {
  if constexpr (kMasked) {
    return OccupiedBlocks<kBlockN, FindRows>(mask, find_rows, offset);
  } else {
    return AllBlocks(n_blocks);
  }
}

/// Mask bits of one row for one key block, in shared memory: up to three words, since a block may begin inside a word.
/// In the fourth, the thread that copies the bits keeps the row's token: it has no register to spare.
struct MaskWords {
  u32 word[3];
  i32 token;
};

/// One thread's share in copying the mask bits of a block: one row.
template <int kBlockM, int kBlockN>
class MaskWordsCopy {
 public:
  /// `first_token` is the CTA's first row; `rows` rows exist.
  ATTNJIT_DEVICE MaskWordsCopy(const KeyMask<const u32>& mask, int first_token, int rows, int offset, u32 destination)
      : mask_(mask), offset_(offset), destination_(destination) {
    if (thread_index() >= kBlockM) return;
#pragma unroll
    for (int i = kWords; i < 3; ++i) store_shared(to(i), 0u);  // never copied, but read with the others
    store_shared(to(3), thread_index() < rows ? static_cast<u32>(first_token + thread_index()) : kNoToken);
  }

  /// Issues the copy for the block that begins at local key `first_key`. Words that the mask does not have become zero.
  ATTNJIT_DEVICE void issue(int first_key) const {
    if (thread_index() >= kBlockM) return;
    const u32 token = load_shared(to(3));
    const int first = (offset_ + first_key) / 32;
    const u32* const row = mask_.bits + token * mask_.bits_stride + first;
#pragma unroll
    for (int i = 0; i < kWords; ++i) cp_async_4(to(i), row + i, token != kNoToken && first + i < mask_.words);
  }

 private:
  static constexpr int kWords = kBlockN / 32 + 1;  // words that a block may touch
  static constexpr u32 kNoToken = 0xffffffffu;
  ATTNJIT_DEVICE u32 to(int word) const {
    return destination_ + thread_index() * static_cast<int>(sizeof(MaskWords)) + word * 4;
  }

  const KeyMask<const u32>& mask_;
  int offset_;
  u32 destination_;
};

/// Sets the scores of one row to -inf for those of 32 keys whose bit is clear.
template <int kNTiles>
ATTNJIT_DEVICE void mask_word(float (&scores)[kNTiles][4], int half, int word, u32 bits) {
  // This lane's columns are 8 n + column(0) and the next one.
  bits >>= AccumulatorPosition().column(0);
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    if ((bits >> (8 * n) & 1u) == 0) scores[4 * word + n][2 * half] = kMinusInfinity;
    if ((bits >> (8 * n + 1) & 1u) == 0) scores[4 * word + n][2 * half + 1] = kMinusInfinity;
  }
}

/// Sets the scores of keys whose bit is clear to -inf. `words` holds the mask bits of this warp's rows.
template <int kMTiles, int kNTiles>
ATTNJIT_DEVICE void mask_bits(float (&scores)[kMTiles][kNTiles][4], u32 words, int offset) {
  static_assert(kNTiles % 4 == 0 && kNTiles <= 8);
  const AccumulatorPosition at;
  const u32 shift = static_cast<u32>(offset % 32);
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const Vec16 row = load_shared_16(words + at.row(m, half) * static_cast<int>(sizeof(MaskWords)));
#pragma unroll
      for (int word = 0; word < kNTiles / 4; ++word) {
        mask_word(scores[m], half, word, funnel_right(row.word[word], row.word[word + 1], shift));
      }
    }
  }
}

}  // namespace attnjit::kernel
