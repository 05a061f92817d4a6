// Attention under a bitmask with scores in wgmma accumulators: TMA, or the warp that needs them, loads the mask bits of
// a key block into shared memory, and each lane extracts its own.
#pragma once

#include "core/warp_tile.cuh"
#include "ptx/memory.cuh"
#include "shared/mha_varlen_params.h"
#include "shared/tensor_map.h"

namespace attnjit::kernel {

/// Copies kMaskBoxWords words of the mask, starting at word `first`, for 16 rows starting at `first_token`, to shared
/// memory in the layout of TMA. Words that the mask does not have, and rows from `rows` on, become zero. Called by one
/// warp, which owns `destination`.
ATTNJIT_DEVICE void copy_mask_rows(const KeyMask<const u32>& mask, i32 first_token, int rows, int first,
                                   u32 destination) {
  constexpr int kRowsAtOnce = 32 / kMaskBoxWords;
  const int lane = reread_lane_index();
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

/// Which of a block's kKeys keys the two rows of a lane see, in registers. Extracted while the wgmma of the scores
/// runs, so that only the selection itself delays them.
template <int kKeys>
class LaneMask {
 public:
  /// Sets the position of local key 0 in its request.
  ATTNJIT_DEVICE void begin(int offset) { offset_ = static_cast<u32>(offset); }

  /// The first word of a mask row that is needed for the block that begins at local key `block_key`.
  ATTNJIT_DEVICE int first_word(int block_key) const {
    return static_cast<int>((offset_ + block_key) / 32 / kMaskBoxStep * kMaskBoxStep);
  }

  /// Extracts the bits of the block that begins at local key `block_key`, for its keys from `first_key` on, a multiple
  /// of 32. `rows` is the address of the warp's first row; a row is kMaskBoxWords words, starting with word
  /// first_word().
  ATTNJIT_DEVICE void take(u32 rows, int block_key, int first_key) {
    const AccumulatorPosition at{reread_lane_index()};  // recomputed: kept addresses would take registers from wgmma
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
      // Rotates right by the lane's column, less the 2 i bits by which word i is offset in seen_.
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
      // Byte by byte: the bits of a byte become predicates together.
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
