// Rows of a global tensor into a tile of shared memory, asynchronously, 16 bytes at a time.
#pragma once

#include "ptx/memory.cuh"
#include "shared/mha_varlen_params.h"

namespace attnjit::kernel {

/// The largest power of two that divides `chunks`, at most 8: so many lanes side by side read one row, 128
/// contiguous bytes where the row has them.
ATTNJIT_HOST_DEVICE constexpr int lanes_per_row(int chunks) {
  int lanes = 1;
  while (lanes < 8 && chunks % (2 * lanes) == 0) lanes *= 2;
  return lanes;
}

/// Copies columns of kRows rows of 16-bit elements; all threads of the CTA take part. Row r comes from
/// `source + r * token_stride`; rows from `valid_rows` on become zeros and are not read: what lies behind the
/// end of a sequence must not reach a product, and 0 x NaN is NaN.
/// kPitch: elements between two rows in shared memory.
template <int kRows, int kColumns, int kPitch, int kThreads>
ATTNJIT_DEVICE void copy_rows_async(u32 destination, const u16* source, i64 token_stride, int valid_rows) {
  constexpr int kChunks = kColumns / 8;
  constexpr int kLanes = lanes_per_row(kChunks);
  constexpr int kRowsPerPass = kThreads / kLanes;
  constexpr int kPasses = ceil_div(kRows, kRowsPerPass);
  static_assert(kColumns % 8 == 0 && kThreads % kLanes == 0);

  const int lane = thread_index() % kLanes;
  const int first_row = thread_index() / kLanes;
  const u16* from = source + first_row * token_stride + lane * 8;
  u32 to = destination + (first_row * kPitch + lane * 8) * 2;
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) {
    const int row = first_row + pass * kRowsPerPass;
    if (kRows % kRowsPerPass == 0 || row < kRows) {
#pragma unroll
      for (int chunk = 0; chunk < kChunks; chunk += kLanes) {
        cp_async_16(to + chunk * 16, from + chunk * 8, row < valid_rows);
      }
    }
    from += kRowsPerPass * token_stride;
    to += kRowsPerPass * kPitch * 2;
  }
}

/// First element of `rows` at (token, head), for 16-bit tensors.
ATTNJIT_DEVICE const u16* row_start(const TokenRows& rows, i64 token, int head) {
  return static_cast<const u16*>(rows.data) + token * rows.token_stride + head * rows.head_stride;
}

}  // namespace attnjit::kernel
