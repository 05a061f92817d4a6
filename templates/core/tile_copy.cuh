// Rows of a global tensor into tiles of shared memory, asynchronously, 16 bytes at a time.
#pragma once

#include "core/row_copy.cuh"
#include "shared/tensor_views.h"

namespace attnjit::kernel {

/// One thread's share in copying tiles [kRows, kColumns] of 16-bit elements, one after another along the tokens of a
/// head; all kThreads threads of the CTA take part. A tile's rows lie kPitch elements apart in shared memory.
///
/// Between two tiles a thread carries one pointer, which moves by whole tiles: the products of strides and positions
/// are formed once, not in the main loop, whose registers are all taken.
template <int kRows, int kColumns, int kPitch, int kThreads>
class TileCopy {
 public:
  /// The tile of `rows` that starts at (token, head) goes to `destination`.
  ATTNJIT_DEVICE TileCopy(const TokenRows& rows, i64 token, int head, u32 destination)
      : token_stride_(rows.token_stride),
        from_(static_cast<const u16*>(rows.data) + (token + first_row()) * rows.token_stride + head * rows.head_stride +
              thread_index() % kLanes * 8),
        to_(destination + (first_row() * kPitch + thread_index() % kLanes * 8) * 2) {}

  /// Issues the copy. Rows from `valid_rows` on become zeros and are not read: what lies behind the end of a sequence
  /// must not reach a product, and 0 x NaN is NaN.
  ATTNJIT_DEVICE void issue(int valid_rows) const {
    const u16* from = from_;
    u32 to = to_;
    // A loop, not unrolled: unrolled, its copies move up among the products before them, and their addresses take the
    // registers that the accumulators need (up to 90 bytes of spills at dv = 128).
#pragma unroll 1
    for (int row = first_row(); row < kRows; row += kRowsPerPass) {
      copy_row<kChunks, kLanes>(to, from, thread_index() % kLanes, row < valid_rows);
      from += kRowsPerPass * token_stride_;
      to += kRowsPerPass * kPitch * 2;
    }
  }

  /// Goes on to the tile `tokens` further (or back).
  ATTNJIT_DEVICE void advance(int tokens) { from_ += tokens * token_stride_; }

 private:
  static constexpr int kChunks = kColumns / 8;
  static constexpr int kLanes = lanes_per_row(kChunks);
  static constexpr int kRowsPerPass = kThreads / kLanes;
  static_assert(kColumns > 0 && kColumns % 8 == 0 && kThreads % kLanes == 0);
  /// This thread's first row. Divided without a sign, which takes a register less.
  ATTNJIT_DEVICE static int first_row() { return static_cast<int>(static_cast<u32>(thread_index()) / kLanes); }

  i64 token_stride_;
  const u16* from_;  // this thread's first 16 bytes of the tile
  u32 to_;
};

/// Of a tensor that has no columns.
template <int kRows, int kPitch, int kThreads>
class TileCopy<kRows, 0, kPitch, kThreads> {
 public:
  ATTNJIT_DEVICE TileCopy(const TokenRows&, i64, int, u32) {}
  ATTNJIT_DEVICE void issue(int) const {}
  ATTNJIT_DEVICE void advance(int) {}
};

}  // namespace attnjit::kernel
