// Attention under a bitmask of keys (top-k sparse attention): which blocks of keys a CTA visits at all, and which keys
// of a block its rows see.
#pragma once

#include "core/mask.cuh"
#include "ptx/memory.cuh"
#include "shared/mha_varlen_params.h"
#include "shared/tensor_map.h"

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
  ATTNJIT_DEVICE int first() const { return end_ > 0 ? 0 : -1; }
  /// The one after `block`, which was visited; -1 if there is none.
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

  ATTNJIT_DEVICE int first() { return search(0, -1); }
  ATTNJIT_DEVICE int after(int block) {
    const int next = block + 1;
    if (next % kBlocksPerTile != 0) return next < find_rows_().blocks ? next : -1;  // of a tile that was visited
    return search(next / kBlocksPerTile * kTilesPerBlock, block / kBlocksPerTile * kTilesPerBlock / 32);
  }

 private:
  static constexpr int kBlocksPerTile = max_of(1, kMaskTile / kBlockN);
  static constexpr int kTilesPerBlock = max_of(1, kBlockN / kMaskTile);

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

/// Copies kMaskBoxWords words of the mask, from word `first` on, of 16 rows from `first_token` on to shared memory, as
/// the copy engine would. Words that the mask does not have are zero, and so are those of rows beyond `rows`. By a warp,
/// to which `destination` belongs.
ATTNJIT_DEVICE void copy_mask_rows(const KeyMask<const u32>& mask, i32 first_token, int rows, int first,
                                   u32 destination) {
  constexpr int kRowsAtOnce = 32 / kMaskBoxWords;
  const int lane = thread_index_anew() % 32;
  const int lane_row = lane / kMaskBoxWords;
  const int word = first + lane % kMaskBoxWords;
  const u32* const from = mask.bits + (first_token + lane_row) * mask.bits_stride + word;
#pragma unroll
  for (int row = 0; row < 16; row += kRowsAtOnce) {
    cp_async_4(destination + (lane + row * kMaskBoxWords) * 4, from + row * mask.bits_stride,
               lane_row + row < rows && word < mask.words);
  }
  cp_async_commit();
  cp_async_wait<0>();
  sync_warp();
}

/// Which of kKeys keys of a block a lane's two rows of 16 see, in registers: taken while the scores are multiplied, so
/// that only the selection itself delays them.
template <int kKeys>
class LaneMask {
 public:
  /// From here on local key 0 is at `offset` in its request.
  ATTNJIT_DEVICE void begin(int offset) { offset_ = static_cast<u32>(offset); }

  /// The first of the words of a mask's row that hold the bits of the block that begins at local key `block_key`.
  ATTNJIT_DEVICE int first_word(int block_key) const {
    return static_cast<int>((offset_ + block_key) / 32 / kMaskBoxStep * kMaskBoxStep);
  }

  /// Of the block that begins at local key `block_key`: the keys from `first_key` of the block on, a multiple of 32.
  /// `rows` is the address of the warp's first row, of kMaskBoxWords words from first_word() on.
  ATTNJIT_DEVICE void take(u32 rows, int block_key, int first_key) {
    const AccumulatorPosition at{thread_index_anew() % 32};  // addresses kept would take registers from the products
    const u32 shift = offset_ % 32;
    const u32 first = (offset_ + block_key) / 32 % kMaskBoxStep + first_key / 32;
    const u32 column = at.column(0);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      u32 words[kWords];
      const u32 from = rows + (at.row(0, half) * kMaskBoxWords + first) * 4;
      if (kWords == 4 && first == 0) {
        const Vec16 all = load_shared_16(from);
#pragma unroll
        for (int i = 0; i < kWords; ++i) words[i] = all.word[i % 4];
      } else {
#pragma unroll
        for (int i = 0; i < kWords; ++i) words[i] = load_shared(from + i * 4);
      }
      if (shift != 0) {
        const u32 next = load_shared(from + kWords * 4);
#pragma unroll
        for (int i = 0; i < kWords; ++i) words[i] = funnel_right(words[i], i + 1 < kWords ? words[i + 1] : next, shift);
      }
      // To the right by as much as the column asks for, less what the word's place among the others asks for.
      seen_[half] = 0;
#pragma unroll
      for (int i = 0; i < kWords; ++i) seen_[half] |= rotate_right(words[i], column - 2 * i) & kColumns << 2 * i;
    }
    // Long rows of ones are common: a window, or fewer keys than top-k.
    hides_any_ = ballot((seen_[0] & seen_[1]) != kAll) != 0;
  }

  ATTNJIT_DEVICE void apply(float (&scores)[1][kKeys / 8][4]) const {
    if (!hides_any_) return;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      // Byte by byte: its bits become predicates together.
#pragma unroll
      for (int m = 0; m < 4; ++m) {
#pragma unroll
        for (int word = 0; word < kWords; ++word) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const u32 bit = 1u << (m * 8 + word * 2 + i);
            if ((seen_[half] & bit) == 0) scores[0][word * 4 + m][2 * half + i] = kMinusInfinity;
          }
        }
      }
    }
  }

 private:
  static constexpr int kWords = kKeys / 32;
  static constexpr u32 kColumns = 0x03030303u;  // of 32 keys, those at this lane's columns, moved to column 0
  static constexpr u32 kAll = kColumns * ((1u << 2 * kWords) / 3);  // as many pairs of ones as there are words

  u32 offset_ = 0;
  bool hides_any_ = false;
  u32 seen_[2];  // bit 8 (n % 4) + 2 (n / 4) + i: column i of accumulator tile n
};

}  // namespace attnjit::kernel
