// Online softmax of a warp's rows (Milakov and Gimelshein, arXiv:1805.02867), in base 2.
#pragma once

#include "core/warp_tile.cuh"
#include "ptx/convert.cuh"
#include "ptx/math.cuh"

namespace attnjit::kernel {

/// a / b, rounded once, for b near 1: the approximate quotient plus a correction from its remainder.
ATTNJIT_DEVICE float quotient(float a, float b) {
  const float inverse = reciprocal_approx(b);
  const float first = a * inverse;
  return fma_float(fma_float(-first, b, a), inverse, first);
}

/// The initial row_max, before any key: less than any score; finite, as is its product with the scale, since -inf -
/// -inf is NaN; and a power of two, so that the product is exact and the peak 1. -2^126 for scales below 1, -2^(125 -
/// e) for scales from 2^e to 2^(e + 1).
ATTNJIT_DEVICE float initial_row_max(float scale) {
  const u32 exponent = bits_of(scale) >> 23;  // biased exponent of a positive number; 127 for 1
  return float_of(0x80000000u | (379u - (exponent > 126 ? exponent : 126u)) << 23);
}

/// `value` rounded to a 16-bit GEMM operand.
template <Element kElement>
ATTNJIT_DEVICE float rounded(float value) {
  const u32 bits = pack_16bit<kElement>(value, 0.f);
  return kElement == Element::kFloat16 ? low_f16_to_float(bits) : float_of(bits << 16);
}

/// Online softmax state of 16 kMTiles rows. Probabilities are relative to a reference score, `row_max`: the row's
/// maximum, or a score relative to which no probability is large. A lane holds its 2 kMTiles rows; `row_sum` covers
/// only its own columns until finalize() reduces it over the four lanes of a row.
///
/// An exponent is one FMA, score * scale - offset, where offset is reference * scale rounded to float32. The rounding
/// is off by up to half an ulp, 5e-4 at scores of 1e4. So all probabilities of a row are too large or too small by one
/// common factor, and that of the reference itself comes out as `peak` instead of 1. Rounded to 16 bits it may still be
/// 1, while the float32 sum would keep the error: with one dominant key the output would not be v, and every tie of an
/// e4m3 output would go wrong. So the sum takes the same rounding step as the largest probability: it is divided by
/// `peak`, exactly, and multiplied by `peak` rounded to kElement, the type of the GEMM operands.
template <int kMTiles, Element kElement>
struct OnlineSoftmax {
  float scale_log2;
  float row_max[kMTiles][2];  // the reference
  float row_sum[kMTiles][2];
  float pending[kMTiles][2];  // sums of update_lazy() not yet in row_sum; still scaled by `peak`

  ATTNJIT_DEVICE explicit OnlineSoftmax(float softmax_scale_log2) : scale_log2(softmax_scale_log2) {
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
      row_max[m][0] = row_max[m][1] = initial_row_max(scale_log2);
      row_sum[m][0] = row_sum[m][1] = 0.f;
      pending[m][0] = pending[m][1] = 0.f;
    }
  }

  /// Takes in a tile of scores and turns them into probabilities in place. The caller must multiply the output
  /// accumulated so far by `rescale`, row by row, before it adds the tile's P V.
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
        row_sum[m][half] += match_operand_rounding(sum, m, half);
      }
    }
  }

  /// Lazy rescale, for kernels with registers to keep the scores next to the probabilities: after the `first` tile, no
  /// maximum is computed unless a lane's sum shows that a row's reference is too small for the tile. Comparisons and
  /// shuffles are a fifth of the time of a step. `probabilities` are rounded as by round_to_fragment(). Returns true,
  /// for the whole warp, if the output must be multiplied by `rescale`. The result of a row depends on that row alone.
  template <int kNTiles>
  ATTNJIT_DEVICE bool update_lazy(const float (&scores)[kMTiles][kNTiles][4],
                                  u32 (&probabilities)[kMTiles][kNTiles / 2][4], float (&rescale)[kMTiles][2],
                                  bool first) {
    constexpr float kLargestSum = 256.f;
    float sums[kMTiles][2];
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) sums[m][0] = sums[m][1] = 0.f;
    bool search = first;
    // Once moved, the reference is the row's maximum, and no lane's sum exceeds 32: two passes are enough.
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
            row_sum[m][half] += match_operand_rounding(pending[m][half], m, half);
            pending[m][half] = 0.f;
            rescale[m][half] = move(m, half, max_float(row_max[m][half], tile_max));
          }
        }
      }
      bool excess = false;
#pragma unroll
      for (int m = 0; m < kMTiles; ++m) {
        const float offset[2] = {row_max[m][0] * scale_log2, row_max[m][1] * scale_log2};
        float sum[2][2] = {};  // two chains per row, so that an addition need not wait for the previous one
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

  /// Finalizes row_sum: reduces it over the four lanes that share a row. Call once, after the last tile.
  ATTNJIT_DEVICE void finalize() {
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        row_sum[m][half] += match_operand_rounding(pending[m][half], m, half);
        row_sum[m][half] += shuffle_xor(row_sum[m][half], 1);
        row_sum[m][half] += shuffle_xor(row_sum[m][half], 2);
      }
    }
  }

  /// Merges in the state (row_max, row_sum) that another warp has for this row's other keys, after finalize(). Multiply
  /// this warp's output by `own` and the other's by the return value; that includes the normalization.
  ATTNJIT_DEVICE float join(int m, int half, float other_max, float other_sum, float& own) {
    const float own_max = row_max[m][half];
    row_max[m][half] = max_float(own_max, other_max);
    own = exp2_approx((own_max - row_max[m][half]) * scale_log2);
    float other = exp2_approx((other_max - row_max[m][half]) * scale_log2);
    row_sum[m][half] = row_sum[m][half] * own + other_sum * other;
    own *= inv_row_sum(m, half);
    return other * inv_row_sum(m, half);
  }

  /// 1 / row_sum; 0 for a row that saw no key, so that its output is 0. NaN stays NaN.
  ATTNJIT_DEVICE float inv_row_sum(int m, int half) const {
    return row_sum[m][half] == 0.f ? 0.f : reciprocal_approx(row_sum[m][half]);
  }
  /// LSE: natural log of the sum of exponentials of the scaled scores; -inf for a row that saw no key.
  ATTNJIT_DEVICE float lse(int m, int half) const {
    constexpr float kLn2 = 0.693147180559945309f;
    return row_sum[m][half] == 0.f ? kMinusInfinity
                                   : fma_float(row_max[m][half], scale_log2, log2_approx(row_sum[m][half])) * kLn2;
  }

 private:
  /// Maximum over all four lanes that share the row.
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
  /// The computed probability of a score equal to the reference.
  ATTNJIT_DEVICE float peak(int m, int half) const {
    return exp2_approx(fma_float(row_max[m][half], scale_log2, -(row_max[m][half] * scale_log2)));
  }
  /// Corrects a sum of computed probabilities, as if each had been rounded like that of the reference.
  ATTNJIT_DEVICE float match_operand_rounding(float sum, int m, int half) const {
    const float row_peak = peak(m, half);
    return quotient(sum, row_peak) * rounded<kElement>(row_peak);
  }
  /// Makes `score` the reference and returns the factor by which to rescale the row's output.
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

/// Rounds an accumulator to 16 bits in the layout of the next GEMM's A operand: two adjacent 8-column tiles of d form
/// one 16-column tile of a.
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
