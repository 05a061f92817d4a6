// Attention under a bitmask of keys (top-k sparse attention): which blocks of keys a CTA visits at all, and which keys
// of a block its rows see.
#pragma once

#include "core/mask.cuh"
#include "ptx/memory.cuh"
#include "shared/mask_params.h"

namespace attnjit::kernel {

/// Every block, from the last one on.
struct AllBlocks {
  /// The next block to visit below `block`; -1 if there is none.
  ATTNJIT_DEVICE int below(int block) { return block - 1; }
};

/// The blocks of kBlockN keys in which a tile bit is set for any of the CTA's queries.
///
/// Keys are local to the call; `offset` is the position of the first one in its request. Bits are looked at 32 tiles at
/// a time, so that long gaps cost nothing.
template <int kBlockN>
class OccupiedBlocks {
 public:
  /// `rows` is the CTA's first row of tile bits; it has `row_count` of them.
  ATTNJIT_DEVICE OccupiedBlocks(const KeyMask<const u32>& mask, i64 first_row, int row_count, int offset)
      : rows_(mask.tiles + first_row * mask.tiles_stride),
        stride_(mask.tiles_stride),
        words_(mask.tile_words),
        row_count_(row_count),
        offset_(offset) {}

  ATTNJIT_DEVICE int below(int block) {
    constexpr int kBlocksPerTile = kMaskTile / kBlockN;
    --block;
    // The rest of a tile that was visited. Not at the first call: what it begins below of is no block of the walk.
    if (block >= 0 && word_ >= 0 && block % kBlocksPerTile != kBlocksPerTile - 1) return block;
    int tile = block / kBlocksPerTile;
    if (block < 0) return -1;
    while (tile >= 0) {
      const int word = tile / 32;
      if (word != word_) load(word);
      const u32 candidates = bits_ & (0xffffffffu >> (31 - tile % 32));  // tiles up to this one
      if (candidates != 0) return (word * 32 + highest_bit(candidates)) * kBlocksPerTile + kBlocksPerTile - 1;
      tile = word * 32 - 1;
    }
    return -1;
  }

 private:
  /// Bit t of bits_ becomes: local keys 64 (32 word + t) and the 63 behind it touch a tile that is set.
  ATTNJIT_DEVICE void load(int word) {
    word_ = word;
    const int first = offset_ / kMaskTile + word * 32;  // tile of the request
    bits_ = 0;
    const u32 shift = static_cast<u32>(first % 32);
    for (int row = 0; row < row_count_; ++row) {
      const u32* const from = rows_ + row * stride_ + first / 32;
      const u32 low = at(from, 0, first / 32);
      const u32 high = at(from, 1, first / 32);
      const u32 own = funnel_right(low, high, shift);
      bits_ |= own;
      // Where the request's tiles lie askew, the local tile t touches the next one, too.
      if (offset_ % kMaskTile != 0) bits_ |= funnel_right(own, funnel_right(high, at(from, 2, first / 32), shift), 1u);
    }
  }
  /// Words behind the mask's last one have no bits.
  ATTNJIT_DEVICE u32 at(const u32* from, int word, int index) const { return index + word < words_ ? from[word] : 0u; }

  const u32* rows_;
  i64 stride_;
  int words_;
  int row_count_;
  int offset_;
  int word_ = -1;
  u32 bits_ = 0;
};

/// Bits of the CTA's rows for one block of keys, in shared memory: up to three words, since a block may begin inside
/// one.
struct MaskWords {
  u32 word[4];
};

/// One thread's share in fetching the bits of a block: a row.
template <int kBlockM, int kBlockN>
class MaskWordsCopy {
 public:
  ATTNJIT_DEVICE MaskWordsCopy(const KeyMask<const u32>& mask, i64 first_token, int rows, int offset, u32 destination)
      : row_(mask.bits + (first_token + thread_index()) * mask.bits_stride),
        words_(thread_index() < rows ? mask.words : 0),
        offset_(offset),
        to_(destination + thread_index() * static_cast<int>(sizeof(MaskWords))) {
    if (thread_index() >= kBlockM) return;
#pragma unroll
    for (int i = kWords; i < 4; ++i) store_shared(to_ + i * 4, 0u);  // never copied, but read with the others
  }

  /// Issues the copy for the block that begins at local key `first_key`. Words that the mask does not have are zero.
  ATTNJIT_DEVICE void issue(int first_key) const {
    if (thread_index() >= kBlockM) return;
    const int first = (offset_ + first_key) / 32;
#pragma unroll
    for (int i = 0; i < kWords; ++i) cp_async_4(to_ + i * 4, row_ + first + i, first + i < words_);
  }

 private:
  static constexpr int kWords = kBlockN / 32 + 1;  // that a block may touch

  const u32* row_;
  int words_;
  int offset_;
  u32 to_;
};

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
        // This lane's columns are 8 n + column(0) and the next.
        const u32 bits = funnel_right(row.word[word], row.word[word + 1], shift) >> at.column(0);
#pragma unroll
        for (int n = 0; n < 4; ++n) {
          if ((bits >> (8 * n) & 1u) == 0) scores[m][4 * word + n][2 * half] = kMinusInfinity;
          if ((bits >> (8 * n + 1) & 1u) == 0) scores[m][4 * word + n][2 * half + 1] = kMinusInfinity;
        }
      }
    }
  }
}

}  // namespace attnjit::kernel
