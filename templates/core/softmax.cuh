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

/// The reference while no key was seen: less than any score; finite, and so is its product with the scale, since
/// -inf - -inf is NaN; a power of two, so that the product is exact and its peak 1. -2^126, or as much less as the
/// scale exceeds 1.
ATTNJIT_DEVICE float nothing_seen(float scale) {
  const u32 exponent = bits_of(scale) >> 23;  // of a positive number, and 127 of 1
  return float_of(0x80000000u | (379u - (exponent > 126 ? exponent : 126u)) << 23);
}

/// `value` as an operand of 16 bits has it.
template <Element kElement>
ATTNJIT_DEVICE float rounded(float value) {
  const u32 bits = pack_16bit<kElement>(value, 0.f);
  return kElement == Element::kFloat16 ? low_f16_to_float(bits) : float_of(bits << 16);
}

/// Sums of probabilities of 16 kMTiles rows, against a reference: the row's maximum, or a score beside which no
/// probability is large. A lane holds those of its 2 kMTiles rows, the sum of its own columns only until finish() joins
/// the four lanes of a row.
///
/// An exponent is one FMA, score * scale - offset, where offset is reference * scale as float32 has it: off by up to
/// half a unit in its last place, 5e-4 at scores of 1e4. So probabilities come out too large or too small by one
/// factor, that of the reference itself as `peak` instead of 1. Rounded to 16 bits it may be 1 all the same, while the
/// sum would remember: with one dominant key the output would not be v, and every tie of an e4m3 output would go wrong.
/// What is summed therefore takes the same step as the largest probability: it is divided by `peak`, exactly, and
/// multiplied by what kElement, the type of the product's operands, makes of it.
template <int kMTiles, Element kElement>
struct OnlineSoftmax {
  float scale_log2;
  float row_max[kMTiles][2];  // the reference
  float row_sum[kMTiles][2];
  float pending[kMTiles][2];  // what update_boldly() adds to row_sum later: times the reference's peak

  ATTNJIT_DEVICE explicit OnlineSoftmax(float softmax_scale_log2) : scale_log2(softmax_scale_log2) {
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
      row_max[m][0] = row_max[m][1] = nothing_seen(scale_log2);
      row_sum[m][0] = row_sum[m][1] = 0.f;
      pending[m][0] = pending[m][1] = 0.f;
    }
  }

  /// Takes in a tile of scores and turns them into probabilities in place. What was accumulated so far is to be
  /// multiplied by `rescale`, row by row, before the tile's product is added.
  template <int kNTiles>
  ATTNJIT_DEVICE void update(float (&scores)[kMTiles][kNTiles][4], float (&rescale)[kMTiles][2]) {
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        rescale[m][half] = move(m, half, max_float(row_max[m][half], max_of_row(scores[m], half)));
        const float offset = row_max[m][half] * scale_log2;
        float sum = 0.f;
#pragma unroll
        for (int n = 0; n < kNTiles; ++n) {
#pragma unroll
          for (int i = 2 * half; i < 2 * half + 2; ++i) {
            scores[m][n][i] = exp2_approx(fma_float(scores[m][n][i], scale_log2, -offset));
            sum += scores[m][n][i];
          }
        }
        row_sum[m][half] += as_multiplied(sum, m, half);
      }
    }
  }

  /// The same, where registers allow to keep the scores beside the probabilities: but for the `first` tile no maximum
  /// is looked for, unless a lane's sum shows that a row's reference is too small for it. Comparisons and exchanges are
  /// a fifth of the time of a step. `probabilities` are rounded, as round_to_fragment() does. True, for a whole warp,
  /// if there is anything to be multiplied by `rescale`. What becomes of a row depends on that row alone.
  template <int kNTiles>
  ATTNJIT_DEVICE bool update_boldly(const float (&scores)[kMTiles][kNTiles][4],
                                    u32 (&probabilities)[kMTiles][kNTiles / 2][4], float (&rescale)[kMTiles][2],
                                    bool first) {
    constexpr float kLargestSum = 256.f;
    float sums[kMTiles][2];
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) sums[m][0] = sums[m][1] = 0.f;
    bool search = first;
    // Once moved, a reference is the row's maximum, and no sum exceeds 32: twice is enough.
#pragma unroll 1
    for (;;) {
      if (search) {
#pragma unroll
        for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            const float tile_max = max_of_row(scores[m], half);
            if (first) {
              row_max[m][half] = max_float(row_max[m][half], tile_max);
              continue;
            }
            const u32 lanes = ballot(sums[m][half] > kLargestSum) >> (thread_index() % 32 & ~3);
            rescale[m][half] = 1.f;
            if ((lanes & 15u) == 0) continue;
            row_sum[m][half] += as_multiplied(pending[m][half], m, half);
            pending[m][half] = 0.f;
            rescale[m][half] = move(m, half, max_float(row_max[m][half], tile_max));
          }
        }
      }
      bool excess = false;
#pragma unroll
      for (int m = 0; m < kMTiles; ++m) {
        const float offset[2] = {row_max[m][0] * scale_log2, row_max[m][1] * scale_log2};
        float sum[2][2] = {};  // two chains per row: one addition need not wait for the one before
#pragma unroll
        for (int n = 0; n < kNTiles; ++n) {
          float p[4];
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            p[i] = exp2_approx(fma_float(scores[m][n][i], scale_log2, -offset[i / 2]));
            sum[i / 2][i % 2] += p[i];
          }
          probabilities[m][n / 2][n % 2 * 2] = pack_16bit<kElement>(p[0], p[1]);
          probabilities[m][n / 2][n % 2 * 2 + 1] = pack_16bit<kElement>(p[2], p[3]);
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          sums[m][half] = sum[half][0] + sum[half][1];
          excess |= sums[m][half] > kLargestSum;
        }
      }
      if (search || ballot(excess) == 0) break;
      search = true;
    }
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) pending[m][half] += sums[m][half];
    }
    return search;
  }

  /// Joins the sums of the four lanes that share a row. Call once, after the last tile.
  ATTNJIT_DEVICE void finish() {
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        row_sum[m][half] += as_multiplied(pending[m][half], m, half);
        row_sum[m][half] += shuffle_xor(row_sum[m][half], 1);
        row_sum[m][half] += shuffle_xor(row_sum[m][half], 2);
      }
    }
  }

  /// Joins the state (reference, sum) that another warp has of this row's other keys, after finish(). Outputs so far
  /// are then to be multiplied: this one's by `own`, the other's by what is returned; that normalises them, too.
  ATTNJIT_DEVICE float join(int m, int half, float other_max, float other_sum, float& own) {
    const float own_max = row_max[m][half];
    row_max[m][half] = max_float(own_max, other_max);
    own = exp2_approx((own_max - row_max[m][half]) * scale_log2);
    float other = exp2_approx((other_max - row_max[m][half]) * scale_log2);
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

 private:
  /// Of all four lanes that share it.
  template <int kNTiles>
  ATTNJIT_DEVICE static float max_of_row(const float (&scores)[kNTiles][4], int half) {
    float largest = max_float(scores[0][2 * half], scores[0][2 * half + 1]);
#pragma unroll
    for (int n = 1; n < kNTiles; ++n) {
      largest = max_float(largest, max_float(scores[n][2 * half], scores[n][2 * half + 1]));
    }
    largest = max_float(largest, shuffle_xor(largest, 1));
    return max_float(largest, shuffle_xor(largest, 2));
  }
  /// The probability of a score that equals the reference.
  ATTNJIT_DEVICE float peak(int m, int half) const {
    return exp2_approx(fma_float(row_max[m][half], scale_log2, -(row_max[m][half] * scale_log2)));
  }
  /// A sum of probabilities as they come out, as if each were rounded like the one of the reference.
  ATTNJIT_DEVICE float as_multiplied(float sum, int m, int half) const {
    const float row_peak = peak(m, half);
    return quotient(sum, row_peak) * rounded<kElement>(row_peak);
  }
  /// Makes `score` the reference; what the row's output is then multiplied by.
  ATTNJIT_DEVICE float move(int m, int half, float score) {
    const float factor = exp2_approx((row_max[m][half] - score) * scale_log2);
    row_max[m][half] = score;
    row_sum[m][half] *= factor;
    return factor;
  }
};

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
