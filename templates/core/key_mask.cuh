// Attention under a bitmask of keys (top-k sparse attention): which blocks of keys a CTA visits at all, and which keys
// of a block its rows see.
#pragma once

#include "core/mask.cuh"
#include "ptx/memory.cuh"
#include "shared/mha_varlen_params.h"

namespace attnjit::kernel {

/// Position in its request of a sequence's first key.
template <bool kMasked>
ATTNJIT_DEVICE int key_offset(const MhaVarlenParams& call, int sequence) {
  return kMasked && call.key_offset != nullptr ? call.key_offset[sequence] : 0;
}

/// Every block of the first `end`.
class AllBlocks {
 public:
  ATTNJIT_DEVICE explicit AllBlocks(int end) : end_(end) {}
  /// The first one to visit; -1 if there is none.
  ATTNJIT_DEVICE int first() const { return after(-1); }
  /// The one after `block`, which was visited, or is -1; -1 if there is none.
  ATTNJIT_DEVICE int after(int block) const { return block + 1 < end_ ? block + 1 : -1; }

 private:
  int end_;
};

/// Rows of tile bits that belong to a tile of queries, and the blocks of keys up to the last one that any of them sees.
struct MaskTileRows {
  i64 first;
  int count;
  int blocks;
  ATTNJIT_DEVICE MaskTileRows(int sequence, int q_start, int m_begin, int m_rows, int n_blocks)
      : first(mask_tile_row(sequence, q_start, m_begin)), count(ceil_div(m_rows, kMaskTile)), blocks(n_blocks) {}
};

/// The blocks of kBlockN keys in which a tile bit is set for any of the CTA's queries.
///
/// Keys are local to the call; `offset` is the position of the first one in its request. Bits are looked at 32 tiles at
/// a time, so that long gaps cost nothing.
template <int kBlockN, class FindRows>
class OccupiedBlocks {
 public:
  /// `find_rows` tells the CTA's MaskTileRows; it is asked once for 32 tiles.
  ATTNJIT_DEVICE OccupiedBlocks(const KeyMask<const u32>& mask, const FindRows& find_rows, int offset)
      : mask_(mask), find_rows_(find_rows), offset_(offset) {}

  /// As of AllBlocks.
  ATTNJIT_DEVICE int first() { return search(0, -1); }
  ATTNJIT_DEVICE int after(int block) {
    const int next = block + 1;
    if (next % kBlocksPerTile != 0) return next < find_rows_().blocks ? next : -1;  // of a tile that was visited
    return search(next / kBlocksPerTile * kTilesPerBlock, ceil_div(next, kBlocksPerWord) - 1);
  }

 private:
  static constexpr int kBlocksPerTile = max_of(1, kMaskTile / kBlockN);
  static constexpr int kTilesPerBlock = max_of(1, kBlockN / kMaskTile);
  static constexpr int kBlocksPerWord = 32 * kBlocksPerTile / kTilesPerBlock;

  /// The first occupied block from tile `tile` on, with which a block begins. bits_ are those of word `loaded`.
  ATTNJIT_DEVICE int search(int tile, int loaded) {
    for (;; tile = tile / 32 * 32 + 32) {
      const int word = tile / 32;
      if (word != loaded && !load(word)) return -1;
      loaded = word;
      const u32 candidates = bits_ & 0xffffffffu << tile % 32;  // tiles from this one on
      if (candidates != 0) return (word * 32 + lowest_bit(candidates)) / kTilesPerBlock * kBlocksPerTile;
    }
  }

  /// Bit t of bits_ becomes: local keys 64 (32 word + t) and the 63 behind it touch a tile that is set, and one of them
  /// may be seen. False if all keys lie before.
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
      // Where the request's tiles lie askew, the local tile t touches the next one, too.
      if (offset_ % kMaskTile != 0) bits_ |= funnel_right(own, funnel_right(high, at(from, 2, first / 32), shift), 1u);
    }
    bits_ &= 0xffffffffu >> (32 - min_of(tiles, 32));
    return true;
  }
  /// Words behind the mask's last one have no bits.
  ATTNJIT_DEVICE u32 at(const u32* from, int word, int index) const {
    return index + word < mask_.tile_words ? from[word] : 0u;
  }

  const KeyMask<const u32>& mask_;
  FindRows find_rows_;
  int offset_;
  u32 bits_ = 0;
};

/// The walk over the first `n_blocks` blocks of keys of a tile of queries: all, or those that its mask occupies. It
/// begins with the first, so that tiles of one head read the same keys at the same time: from the diagonal on, each
/// would begin with keys of its own, and all keys would be asked of memory at once.
template <bool kMasked, int kBlockN, class FindRows>
ATTNJIT_DEVICE auto key_blocks(const KeyMask<const u32>& mask, const FindRows& find_rows, int offset, int n_blocks) {
  if constexpr (kMasked) {
    return OccupiedBlocks<kBlockN, FindRows>(mask, find_rows, offset);
  } else {
    return AllBlocks(n_blocks);
  }
}

/// Bits of a row of the CTA for one block of keys, in shared memory: up to three words, since a block may begin inside
/// one. The fourth is where the thread that fetches them keeps the row's token: it has no register to spare.
struct MaskWords {
  u32 word[3];
  i32 token;
};

/// One thread's share in fetching the bits of a block: a row.
template <int kBlockM, int kBlockN>
class MaskWordsCopy {
 public:
  /// `first_token` is the CTA's first row, of which `rows` exist.
  ATTNJIT_DEVICE MaskWordsCopy(const KeyMask<const u32>& mask, int first_token, int rows, int offset, u32 destination)
      : mask_(mask), offset_(offset), destination_(destination) {
    if (thread_index() >= kBlockM) return;
#pragma unroll
    for (int i = kWords; i < 3; ++i) store_shared(to(i), 0u);  // never copied, but read with the others
    store_shared(to(3), thread_index() < rows ? static_cast<u32>(first_token + thread_index()) : kNoToken);
  }

  /// Issues the copy for the block that begins at local key `first_key`. Words that the mask does not have are zero.
  ATTNJIT_DEVICE void issue(int first_key) const {
    if (thread_index() >= kBlockM) return;
    const u32 token = load_shared(to(3));
    const int first = (offset_ + first_key) / 32;
    const u32* const row = mask_.bits + token * mask_.bits_stride + first;
#pragma unroll
    for (int i = 0; i < kWords; ++i) cp_async_4(to(i), row + i, token != kNoToken && first + i < mask_.words);
  }

 private:
  static constexpr int kWords = kBlockN / 32 + 1;  // that a block may touch
  static constexpr u32 kNoToken = 0xffffffffu;
  ATTNJIT_DEVICE u32 to(int word) const {
    return destination_ + thread_index() * static_cast<int>(sizeof(MaskWords)) + word * 4;
  }

  const KeyMask<const u32>& mask_;
  int offset_;
  u32 destination_;
};

/// Sets to -inf the scores of one row for 32 keys whose bit is not set.
template <int kNTiles>
ATTNJIT_DEVICE void mask_word(float (&scores)[kNTiles][4], int half, int word, u32 bits) {
  // This lane's columns are 8 n + column(0) and the next.
  bits >>= AccumulatorPosition().column(0);
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    if ((bits >> (8 * n) & 1u) == 0) scores[4 * word + n][2 * half] = kMinusInfinity;
    if ((bits >> (8 * n + 1) & 1u) == 0) scores[4 * word + n][2 * half + 1] = kMinusInfinity;
  }
}

/// Sets the scores of keys whose bit is not set to -inf. `words` holds the bits of this warp's rows.
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
