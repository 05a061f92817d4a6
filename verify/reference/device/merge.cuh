// Merging of attention states without any tricks: one thread per element; in float64 the reference, in float32 the
// low-precision baseline (weights and sums in float32; the host rounds the result).
#pragma once

#include "numbers.cuh"

namespace attnjit::reference {

__device__ inline float state_element(Element element, const void* data, i64 offset) {
  switch (element) {
    case Element::kFloat32: return static_cast<const float*>(data)[offset];
    case Element::kFloat16: return to_float<Element::kFloat16>(static_cast<const u16*>(data)[offset]);
    default: return to_float<Element::kBFloat16>(static_cast<const u16*>(data)[offset]);
  }
}

/// Natural-log lse of a state; -inf for one that does not count.
__device__ inline float state_lse(const MergeParams& p, int state, i64 token, i64 head) {
  const bool second = p.apart && state == 1;
  const Rows& rows = second ? p.second_lse : p.lse;
  const i64 offset = (second ? 0 : state * p.lse_state_stride) + token * rows.token_stride + head * rows.head_stride;
  const float lse = static_cast<const float*>(rows.data)[offset];
  return lse < __int_as_float(0x7f800000) ? lse : -__int_as_float(0x7f800000);
}

template <class Real>
struct Merged {
  Real out = 0;
  Real lse;
  Real magnitude = 0;
};

template <class Real>
__device__ Merged<Real> merge_element(const MergeParams& p, i64 token, i64 head, int column) {
  const Real minus_infinity = -__int_as_float(0x7f800000);
  Merged<Real> merged;
  Real largest = minus_infinity;
  for (int state = 0; state < p.states; ++state) {
    const Real lse = state_lse(p, state, token, head);
    if (lse == minus_infinity) continue;
    largest = larger(largest, lse);
    merged.magnitude = larger(merged.magnitude, lse < 0 ? -lse : lse);
  }
  merged.lse = minus_infinity;
  if (largest == minus_infinity) return merged;
  Real sum = 0;
  for (int state = 0; state < p.states; ++state) sum += exponential(state_lse(p, state, token, head) - largest);
  for (int state = 0; state < p.states; ++state) {
    const Real weight = divide(exponential(state_lse(p, state, token, head) - largest), sum);
    if (weight == 0) continue;
    const bool second = p.apart && state == 1;
    const Rows& rows = second ? p.second_out : p.out;
    const i64 offset =
        (second ? 0 : state * p.out_state_stride) + token * rows.token_stride + head * rows.head_stride + column;
    merged.out = multiply_add(weight, Real(state_element(p.element, rows.data, offset)), merged.out);
  }
  merged.lse = largest + log(sum);
  return merged;
}

extern "C" __global__ void attnjit_reference_merge(const __grid_constant__ MergeParams p) {
  const i64 elements = static_cast<i64>(p.tokens) * p.heads * p.columns;
  for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < elements;
       i += static_cast<i64>(gridDim.x) * blockDim.x) {
    const i64 row = i / p.columns;
    const int column = static_cast<int>(i % p.columns);
    const Merged<double> exact = merge_element<double>(p, row / p.heads, row % p.heads, column);
    p.merged_out[i] = exact.out;
    p.yardstick_out[i] = merge_element<float>(p, row / p.heads, row % p.heads, column).out;
    if (column != 0) continue;
    p.merged_lse[row] = exact.lse;
    p.magnitude[row] = exact.magnitude;
  }
}

}  // namespace attnjit::reference
