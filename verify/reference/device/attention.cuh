// Varlen attention without any tricks: one warp per (query row, head), three passes over its keys. In float64 it is the
// reference that kernels are judged by; in float32 it is the low-precision baseline, which shows how well 16-bit
// attention can do.
//
//   float64:  everything in float64, nothing rounded.
//   float32:  S, its softmax and P V in float32, P rounded to the input type; the host rounds the result.
#pragma once

#include "numbers.cuh"

namespace attnjit::reference {

/// Neighboring rows of one head share a block: they read the same keys, which then come from L1.
inline constexpr int kAttentionWarps = 4;

template <class Real>
struct Dot {
  Real value;     // sum_d q_d k_d
  Real absolute;  // sum_d |q_d k_d|
};

/// Adds the columns [0, columns) of one key row; `columns` is a multiple of 8, and the row is 16-byte aligned.
template <class Real, Element kElement>
__device__ void add_columns(Dot<Real>& dot, const Real* q, const u16* k, int columns) {
  for (int column = 0; column < columns; column += 8) {
    const uint4 chunk = *reinterpret_cast<const uint4*>(k + column);
    const u32 words[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
    for (int i = 0; i < 8; ++i) {
      const Real key = to_float<kElement>(static_cast<u16>(words[i / 2] >> (i % 2 * 16)));
      dot.value = multiply_add(q[column + i], key, dot.value);
      dot.absolute = multiply_add(fabs(q[column + i]), fabs(key), dot.absolute);
    }
  }
}

/// The row of `rows` at (token, head).
__device__ inline const u16* row_of(const Rows& rows, i64 token, i64 head) {
  return static_cast<const u16*>(rows.data) + token * rows.token_stride + head * rows.head_stride;
}

template <class Real, Element kElement>
__device__ void attention_row(const AttentionParams& p) {
  constexpr bool kExact = sizeof(Real) == sizeof(double);
  __shared__ Real shared_q[kAttentionWarps][kMaxColumns];
  const int lane = threadIdx.x % 32;
  Real* const q = shared_q[threadIdx.x / 32];

  // ---- which row: the grid is heads x blocks of kAttentionWarps tokens
  const int blocks = (p.tokens_q + kAttentionWarps - 1) / kAttentionWarps;
  const int head = static_cast<int>(blockIdx.x) / blocks;
  const int token = static_cast<int>(blockIdx.x) % blocks * kAttentionWarps + static_cast<int>(threadIdx.x) / 32;
  if (token >= p.tokens_q) return;
  int sequence = 0;
  while (sequence + 1 < p.batch && p.cu_seqlens_q[sequence + 1] <= token) ++sequence;
  const int row = token - p.cu_seqlens_q[sequence];
  const int len_q = p.cu_seqlens_q[sequence + 1] - p.cu_seqlens_q[sequence];
  const int first_key = p.cu_seqlens_k[sequence];
  const int len_k = p.cu_seqlens_k[sequence + 1] - first_key;
  const int keys = p.causal && row + 1 + len_k - len_q < len_k ? row + 1 + len_k - len_q : len_k;  // visible: j < keys
  const int kv_head = head / p.qhead_per_kvhead;
  const auto sees = [&](int key) { return p.visible == nullptr || p.visible[token * p.visible_stride + key] != 0; };

  const u16* const q_nope = row_of(p.q_nope, token, head);
  const u16* const q_pe = row_of(p.q_pe, token, head);
  for (int c = lane; c < p.nope_columns; c += 32) q[c] = to_float<kElement>(q_nope[c]);
  for (int c = lane; c < p.pe_columns; c += 32) q[p.nope_columns + c] = to_float<kElement>(q_pe[c]);
  __syncwarp();

  const Real scale = p.softmax_scale;
  const auto score = [&](int key) {
    Dot<Real> dot{0, 0};
    add_columns<Real, kElement>(dot, q, row_of(p.k_nope, first_key + key, kv_head), p.nope_columns);
    add_columns<Real, kElement>(dot, q + p.nope_columns, row_of(p.k_pe, first_key + key, kv_head), p.pe_columns);
    return Dot<Real>{dot.value * scale, dot.absolute * scale};
  };

  // ---- first pass: the maximum; second: the sum; each lane has every 32nd key
  const Real minus_infinity = -__int_as_float(0x7f800000);
  Real row_max = minus_infinity;
  Real magnitude = 0;
  for (int key = lane; key < keys; key += 32) {
    if (!sees(key)) continue;
    const Dot<Real> s = score(key);
    row_max = larger(row_max, s.value);
    magnitude = larger(magnitude, s.absolute);
  }
  row_max = warp_max(row_max);
  magnitude = warp_max(magnitude);
  Real sum = 0;
  for (int key = lane; key < keys; key += 32) {
    if (sees(key)) sum += exponential(score(key).value - row_max);
  }
  sum = warp_sum(sum);

  // ---- third pass: P V; each lane has every 32nd column
  constexpr int kColumnsPerLane = kMaxColumns / 32;
  Real out[kColumnsPerLane] = {};
  for (int first = 0; first < keys; first += 32) {
    Real mine = 0;
    if (first + lane < keys && sees(first + lane)) mine = divide(exponential(score(first + lane).value - row_max), sum);
    if constexpr (!kExact) mine = to_float<kElement>(round_to<kElement>(mine));
    for (int i = 0; i < 32 && first + i < keys; ++i) {
      const Real probability = __shfl_sync(0xffffffffu, mine, i);
      if (!sees(first + i)) continue;  // do not even multiply what is there by 0
      const u16* const v = row_of(p.v, first_key + first + i, kv_head);
      for (int n = 0; n < kColumnsPerLane; ++n) {
        const int column = n * 32 + lane;
        if (column < p.v_columns) out[n] = multiply_add(probability, Real(to_float<kElement>(v[column])), out[n]);
      }
    }
  }

  const i64 index = static_cast<i64>(token) * p.heads + head;
  for (int n = 0; n < kColumnsPerLane; ++n) {
    const int column = n * 32 + lane;
    if (column >= p.v_columns) continue;
    if constexpr (kExact) {
      p.out[index * p.v_columns + column] = out[n];
    } else {
      p.yardstick_out[index * p.v_columns + column] = out[n];
    }
  }
  if constexpr (kExact) {
    if (lane == 0) {
      p.lse[index] = sum == 0 ? minus_infinity : row_max + log(sum);  // 0: it sees no key
      p.magnitude[index] = magnitude;
    }
  }
}

extern "C" __global__ void __launch_bounds__(kAttentionWarps * 32)
    attnjit_reference_bf16(const __grid_constant__ AttentionParams params) {
  attention_row<double, Element::kBFloat16>(params);
}
extern "C" __global__ void __launch_bounds__(kAttentionWarps * 32)
    attnjit_reference_f16(const __grid_constant__ AttentionParams params) {
  attention_row<double, Element::kFloat16>(params);
}
extern "C" __global__ void __launch_bounds__(kAttentionWarps * 32)
    attnjit_yardstick_bf16(const __grid_constant__ AttentionParams params) {
  attention_row<float, Element::kBFloat16>(params);
}
extern "C" __global__ void __launch_bounds__(kAttentionWarps * 32)
    attnjit_yardstick_f16(const __grid_constant__ AttentionParams params) {
  attention_row<float, Element::kFloat16>(params);
}

}  // namespace attnjit::reference
