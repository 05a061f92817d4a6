// Merges attention states (out, lse) of disjoint sets of keys:
//   lse = ln sum_i exp(lse_i),   out = sum_i exp(lse_i - lse) out_i
// ("merge attention", Juravsky et al., arXiv:2402.05099; also known from ring attention).
#pragma once

#include "core/warp_tile.cuh"
#include "ptx/math.cuh"

namespace attnjit::kernel {

inline constexpr float kInfinity = __builtin_bit_cast(float, 0x7f800000u);

/// An LSE of +inf or NaN has no usable weight; such a state counts as one without keys.
ATTNJIT_DEVICE float mergeable_lse(float lse) { return lse < kInfinity ? lse : kMinusInfinity; }

/// The weights of `states` states of one row. lse_of(i) is the natural-log LSE of state i. kLanes lanes of a warp share
/// the work: all 32, or 1, where every lane has a row of its own.
template <int kLanes>
struct MergeWeights {
  float largest = kMinusInfinity;
  float sum = 0.f;

  template <class LseOf>
  ATTNJIT_DEVICE MergeWeights(int states, const LseOf& lse_of) {
    static_assert(kLanes == 1 || kLanes == 32);
    const int lane = thread_index() % kLanes;
    for (int i = lane; i < states; i += kLanes) largest = max_float(largest, mergeable_lse(lse_of(i)));
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      largest = max_float(largest, shuffle_xor(largest, distance));
    }
    for (int i = lane; i < states; i += kLanes) sum += exponential(mergeable_lse(lse_of(i)));
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2) sum += shuffle_xor(sum, distance);
  }

  /// Weight of a state in the merged one: exactly 0 for a state without keys, exactly 1 if no other state has any.
  ATTNJIT_DEVICE float weight(float lse) const {
    const float share = exponential(mergeable_lse(lse));
    return share == 0.f ? 0.f : share / sum;
  }
  /// LSE of the merged state; -inf if no state has keys.
  ATTNJIT_DEVICE float lse() const {
    constexpr float kLn2 = 0.693147180559945309f;
    return sum == 0.f ? kMinusInfinity : fma_float(log2_approx(sum), kLn2, largest);
  }

 private:
  /// exp(lse - largest).
  ATTNJIT_DEVICE float exponential(float lse) const {
    constexpr float kLog2E = 1.44269504088896341f;
    return lse == kMinusInfinity ? 0.f : exp2_approx((lse - largest) * kLog2E);
  }
};

}  // namespace attnjit::kernel
