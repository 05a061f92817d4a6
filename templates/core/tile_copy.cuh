// Asynchronous copies of rows of a global tensor into tiles in shared memory, 16 bytes at a time.
#pragma once

#include "core/row_copy.cuh"
#include "shared/tensor_views.h"

namespace attnjit::kernel {

/// One thread's share in copying tiles [kRows, kColumns] of 16-bit elements, which follow each other along the tokens
/// of one head. All kThreads threads of the CTA take part. In shared memory the rows of a tile lie kPitch elements
/// apart.
///
/// Between tiles a thread carries one pointer, which moves by whole tiles: strides are multiplied by positions once,
/// not in the main loop, where all registers are taken.
template <int kRows, int kColumns, int kPitch, int kThreads>
class TileCopy {
 public:
  /// Copies tiles of `rows` to `destination`, the first one starting at (token, head).
  ATTNJIT_DEVICE TileCopy(const TokenRows& rows, i64 token, int head, u32 destination)
      : token_stride_(rows.token_stride),
        from_(static_cast<const u16*>(rows.data) + (token + first_row()) * rows.token_stride + head * rows.head_stride +
              thread_index() % kLanes * 8),
        to_(destination + (first_row() * kPitch + thread_index() % kLanes * 8) * 2) {}

  /// Issues the copy. Rows from `valid_rows` on become zeros and are not read: data past the end of a sequence must not
  /// reach a GEMM, since 0 x NaN is NaN.
  ATTNJIT_DEVICE void issue(int valid_rows) const {
    const u16* from = from_;
    u32 to = to_;
    // Not unrolled: otherwise the compiler moves the copies up among the preceding mma, and their addresses take
    // registers that the accumulators need (up to 90 bytes of spills at dv = 128).
#pragma unroll 1
    for (int row = first_row(); row < kRows; row += kRowsPerPass) {
      copy_row<kChunks, kLanes>(to, from, thread_index() % kLanes, row < valid_rows);
      from += kRowsPerPass * token_stride_;
      to += kRowsPerPass * kPitch * 2;
    }
  }

  /// Moves to the tile `tokens` further on (or back).
  ATTNJIT_DEVICE void advance(int tokens) { from_ += tokens * token_stride_; }

 private:
  static constexpr int kChunks = kColumns / 8;
  static constexpr int kLanes = lanes_per_row(kChunks);
  static constexpr int kRowsPerPass = kThreads / kLanes;
  static_assert(kColumns > 0 && kColumns % 8 == 0 && kThreads % kLanes == 0);
  /// This thread's first row. The unsigned division saves a register.
  ATTNJIT_DEVICE static int first_row() { return static_cast<int>(static_cast<u32>(thread_index()) / kLanes); }

  i64 token_stride_;
  const u16* from_;  // this thread's first 16 bytes of the tile
  u32 to_;
};

/// For a tensor without columns.
template <int kRows, int kPitch, int kThreads>
class TileCopy<kRows, 0, kPitch, kThreads> {
 public:
  ATTNJIT_DEVICE TileCopy(const TokenRows&, i64, int, u32) {}
  ATTNJIT_DEVICE void issue(int) const {}
  ATTNJIT_DEVICE void advance(int) {}
};

}  // namespace attnjit::kernel
