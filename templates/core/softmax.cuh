// Online softmax of a warp's rows (Milakov and Gimelshein, arXiv:1805.02867), in base 2.
#pragma once

#include "core/warp_tile.cuh"
#include "ptx/convert.cuh"
#include "ptx/math.cuh"

namespace attnjit::kernel {

/// a / b, rounded once, for b near 1: a quotient of the approximate reciprocal, and what it leaves.
ATTNJIT_DEVICE float quotient(float a, float b) {
  const float inverse = reciprocal_approx(b);
  const float first = a * inverse;
  return fma_float(fma_float(-first, b, a), inverse, first);
}

/// Running maximum and sum of 16 kMTiles rows; a lane holds those of its 2 kMTiles rows, the sum of its own columns
/// only until finish() joins the four lanes of a row.
///
/// An exponent is one FMA, score * scale - offset, where offset is row_max * scale as float32 has it: off by up to half
/// a unit in its last place, 5e-4 at scores of 1e4. So probabilities come out too large or too small by one factor, the
/// largest as `peak` instead of 1. Rounded to 16 bits it is 1 all the same, while the sum would remember: with one
/// dominant key the output would not be v, and every tie of an e4m3 output would go wrong. The sum is therefore divided
/// by `peak`, exactly.
template <int kMTiles>
struct OnlineSoftmax {
  float scale_log2;
  float row_max[kMTiles][2];
  float row_sum[kMTiles][2];

  ATTNJIT_DEVICE explicit OnlineSoftmax(float softmax_scale_log2) : scale_log2(softmax_scale_log2) {
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
      row_max[m][0] = row_max[m][1] = kMinusInfinity;
      row_sum[m][0] = row_sum[m][1] = 0.f;
    }
  }

  /// What the exponents of a row are taken against: its maximum, or 0 while no key was seen (-inf - -inf is
  /// NaN).
  ATTNJIT_DEVICE float reference(int m, int half) const {
    return row_max[m][half] == kMinusInfinity ? 0.f : row_max[m][half];
  }

  /// Takes in a tile of scores and turns them into probabilities in place. What was accumulated so far is to be
  /// multiplied by `rescale`, row by row, before the tile's product is added.
  template <int kNTiles>
  ATTNJIT_DEVICE void update(float (&scores)[kMTiles][kNTiles][4], float (&rescale)[kMTiles][2]) {
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float tile_max = kMinusInfinity;
#pragma unroll
        for (int n = 0; n < kNTiles; ++n) {
          tile_max = max_float(tile_max, max_float(scores[m][n][2 * half], scores[m][n][2 * half + 1]));
        }
        tile_max = max_float(tile_max, shuffle_xor(tile_max, 1));
        tile_max = max_float(tile_max, shuffle_xor(tile_max, 2));

        const float old_max = row_max[m][half];
        row_max[m][half] = max_float(old_max, tile_max);
        const float against = reference(m, half);
        rescale[m][half] = exp2_approx((old_max - against) * scale_log2);
        const float offset = against * scale_log2;
        const float peak = exp2_approx(fma_float(against, scale_log2, -offset));

        float sum = 0.f;
#pragma unroll
        for (int n = 0; n < kNTiles; ++n) {
#pragma unroll
          for (int i = 2 * half; i < 2 * half + 2; ++i) {
            scores[m][n][i] = exp2_approx(fma_float(scores[m][n][i], scale_log2, -offset));
            sum += scores[m][n][i];
          }
        }
        row_sum[m][half] = fma_float(row_sum[m][half], rescale[m][half], quotient(sum, peak));
      }
    }
  }

  /// Joins the sums of the four lanes that share a row. Call once, after the last tile.
  ATTNJIT_DEVICE void finish() {
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        row_sum[m][half] += shuffle_xor(row_sum[m][half], 1);
        row_sum[m][half] += shuffle_xor(row_sum[m][half], 2);
      }
    }
  }

  /// Joins the state (maximum, sum) that another warp has of this row's other keys, after finish(). Outputs so far are
  /// then to be multiplied: this one's by `own`, the other's by what is returned; that normalises them, too.
  ATTNJIT_DEVICE float join(int m, int half, float other_max, float other_sum, float& own) {
    const float own_max = row_max[m][half];
    row_max[m][half] = max_float(own_max, other_max);
    const float against = reference(m, half);
    own = exp2_approx((own_max - against) * scale_log2);
    float other = exp2_approx((other_max - against) * scale_log2);
    row_sum[m][half] = row_sum[m][half] * own + other_sum * other;
    own *= normaliser(m, half);
    return other * normaliser(m, half);
  }

  /// 1 / sum; 0 for a row that saw no key, so that its output is 0. A NaN stays.
  ATTNJIT_DEVICE float normaliser(int m, int half) const {
    return row_sum[m][half] == 0.f ? 0.f : reciprocal_approx(row_sum[m][half]);
  }
  /// Natural logarithm of the sum of exponentials of the scaled scores; -inf for a row that saw no key.
  ATTNJIT_DEVICE float lse(int m, int half) const {
    constexpr float kLn2 = 0.693147180559945309f;
    return row_sum[m][half] == 0.f ? kMinusInfinity
                                   : fma_float(row_max[m][half], scale_log2, log2_approx(row_sum[m][half])) * kLn2;
  }
};

/// Whether a factor of this lane's rows is other than 1.
template <int kMTiles>
ATTNJIT_DEVICE bool any_row_changes(const float (&factors)[kMTiles][2]) {
  bool changes = false;
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) changes |= factors[m][0] != 1.f || factors[m][1] != 1.f;
  return changes;
}

/// out[row] *= factors[row].
template <int kMTiles, int kNTiles>
ATTNJIT_DEVICE void scale_rows(float (&out)[kMTiles][kNTiles][4], const float (&factors)[kMTiles][2]) {
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
    for (int n = 0; n < kNTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) out[m][n][i] *= factors[m][i / 2];
    }
  }
}

/// Rounds an accumulator to 16 bits in the layout that the next product takes as its left operand: two
/// neighbouring 8-column tiles of d are one 16-column tile of a.
template <Element kElement, int kMTiles, int kNTiles>
ATTNJIT_DEVICE void round_to_fragment(u32 (&a)[kMTiles][kNTiles / 2][4], const float (&d)[kMTiles][kNTiles][4]) {
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
    for (int k = 0; k < kNTiles / 2; ++k) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float(&pair)[4] = d[m][2 * k + i / 2];
        a[m][k][i] = pack_16bit<kElement>(pair[i % 2 * 2], pair[i % 2 * 2 + 1]);
      }
    }
  }
}

}  // namespace attnjit::kernel
