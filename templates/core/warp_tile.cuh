// GEMM of one warp: 16-row tiles of mma.sync with operands in padded shared memory, and the layout of the accumulator.
#pragma once

#include "ptx/ldmatrix.cuh"
#include "ptx/mma.cuh"

namespace attnjit::kernel {

inline constexpr float kMinusInfinity = __builtin_bit_cast(float, 0xff800000u);

/// Maps a lane's elements of an accumulator [m tiles][n tiles][4] to rows and columns: element 2 * half + i of tile (m,
/// n) is at row(m, half), column(n) + i.
struct AccumulatorPosition {
  int lane = thread_index() % 32;
  ATTNJIT_DEVICE int row(int m, int half) const { return m * 16 + half * 8 + lane / 4; }
  ATTNJIT_DEVICE int column(int n) const { return n * 8 + lane % 4 * 2; }
};

template <int kMTiles, int kNTiles>
ATTNJIT_DEVICE void clear(float (&accumulator)[kMTiles][kNTiles][4]) {
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
    for (int n = 0; n < kNTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) accumulator[m][n][i] = 0.f;
    }
  }
}

/// Loads the [16, 16] fragment of operand A whose corner is at `rows`, row-major with rows kPitch elements apart.
template <int kPitch>
ATTNJIT_DEVICE void load_fragment(u32 (&a)[4], u32 rows) {
  const int lane = thread_index() % 32;
  ldmatrix_x4(a, rows + (lane % 16 * kPitch + lane / 16 * 8) * 2);
}

/// One k16 step of d += a b^T: a as fragments, b [8 kNTiles, 16] with its corner at `b_rows`, row-major with rows
/// kPitch elements apart.
template <Element kElement, int kPitch, int kMTiles, int kNTiles>
ATTNJIT_DEVICE void multiply_step(float (&d)[kMTiles][kNTiles][4], const u32 (&a)[kMTiles][4], u32 b_rows) {
  static_assert(kNTiles % 2 == 0);
  const int lane = thread_index() % 32;
  const u32 b_lane = b_rows + ((lane / 16 * 8 + lane % 8) * kPitch + lane / 8 % 2 * 8) * 2;
#pragma unroll
  for (int n = 0; n < kNTiles; n += 2) {
    u32 b[4];
    ldmatrix_x4(b, b_lane + n * 8 * kPitch * 2);
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
      mma_m16n8k16<kElement>(d[m][n], a[m], b[0], b[1]);
      mma_m16n8k16<kElement>(d[m][n + 1], a[m], b[2], b[3]);
    }
  }
}

/// d += a b^T (Q K^T): a is [16 kMTiles, kColumns] at `a_rows` (this warp's first row), b is [8 kNTiles, kColumns] at
/// `b_rows`, both row-major with rows kPitch elements apart.
template <Element kElement, int kColumns, int kPitch, int kMTiles, int kNTiles>
ATTNJIT_DEVICE void gemm_nt(float (&d)[kMTiles][kNTiles][4], u32 a_rows, u32 b_rows) {
  static_assert(kNTiles % 2 == 0 && kColumns % 16 == 0);
#pragma unroll
  for (int k = 0; k < kColumns; k += 16) {
    u32 a[kMTiles][4];
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) load_fragment<kPitch>(a[m], a_rows + (m * 16 * kPitch + k) * 2);
    multiply_step<kElement, kPitch>(d, a, b_rows + k * 2);
  }
}

/// d += a b (P V): a is a fragment [16 kMTiles, 16 kKTiles] in registers, b is [16 kKTiles, 8 kNTiles] at `b_rows`,
/// row-major.
template <Element kElement, int kPitch, int kMTiles, int kKTiles, int kNTiles>
ATTNJIT_DEVICE void gemm_nn(float (&d)[kMTiles][kNTiles][4], const u32 (&a)[kMTiles][kKTiles][4], u32 b_rows) {
  static_assert(kNTiles % 2 == 0);
  const int lane = thread_index() % 32;
  const u32 b_lane = b_rows + (lane % 16 * kPitch + lane / 16 * 8) * 2;
#pragma unroll
  for (int k = 0; k < kKTiles; ++k) {
#pragma unroll
    for (int n = 0; n < kNTiles; n += 2) {
      u32 b[4];
      ldmatrix_x4_trans(b, b_lane + (k * 16 * kPitch + n * 8) * 2);
#pragma unroll
      for (int m = 0; m < kMTiles; ++m) {
        mma_m16n8k16<kElement>(d[m][n], a[m][k], b[0], b[1]);
        mma_m16n8k16<kElement>(d[m][n + 1], a[m][k], b[2], b[3]);
      }
    }
  }
}

}  // namespace attnjit::kernel
