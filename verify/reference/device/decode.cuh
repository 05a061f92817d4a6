// MLA decode without any tricks: one warp per (query, head), three passes over its keys; every warp rereads each key
// from its page. In float64 the reference, in float32 the low-precision baseline: see attention.cuh.
#pragma once

#include "decode_params.h"
#include "numbers.cuh"

namespace attnjit::reference {

inline constexpr int kDecodeWarps = 4;

/// Exact.
__device__ inline float e4m3_to_float(u8 code) {
  const int exponent = code >> 3 & 15;
  const int mantissa = code & 7;
  if (exponent == 15 && mantissa == 7) return __int_as_float(0x7fffffff);
  const float value = exponent == 0 ? ldexpf(static_cast<float>(mantissa), -9)
                                    : ldexpf(static_cast<float>(mantissa + 8), exponent - 10);
  return (code & 128) != 0 ? -value : value;
}

/// A key's row in the cache.
struct CachedKey {
  const u8* latent;
  const u8* rope;
};

__device__ inline CachedKey cached_key(const DecodeParams& p, int sequence, int key) {
  const i64 page = p.page_list[p.page_begin[sequence] + key / p.page_size];
  const i64 slot = key % p.page_size;
  const i64 bytes = p.format == CacheRowFormat::k16Bit ? 2 : 1;
  const auto row = [&](const PagedRows& rows) {
    return static_cast<const u8*>(rows.data) + (page * rows.page_stride + slot * rows.slot_stride) * bytes;
  };
  return {row(p.latent), row(p.rope)};
}

/// One of its latent + rope columns, dequantized. In a 656-byte row it is rounded to the queries' type.
template <class Real, Element kElement>
__device__ Real key_value(const DecodeParams& p, const CachedKey& key, int column) {
  const bool is_rope = column >= p.latent_columns;
  const int c = is_rope ? column - p.latent_columns : column;
  switch (p.format) {
    case CacheRowFormat::k16Bit:
      return to_float<kElement>(reinterpret_cast<const u16*>(is_rope ? key.rope : key.latent)[c]);
    case CacheRowFormat::kE4M3: return Real(e4m3_to_float((is_rope ? key.rope : key.latent)[c])) * Real(p.cache_scale);
    default: break;
  }
  float value;
  if (is_rope) {
    value = to_float<Element::kBFloat16>(reinterpret_cast<const u16*>(key.latent + p.latent_columns + 16)[c]);
  } else {
    value = e4m3_to_float(key.latent[c]) * reinterpret_cast<const float*>(key.latent + p.latent_columns)[c / 128];
  }
  return to_float<kElement>(round_to<kElement>(value));
}

template <class Real, Element kElement>
__device__ void decode_row(const DecodeParams& p) {
  constexpr bool kExact = sizeof(Real) == sizeof(double);
  __shared__ Real shared_q[kDecodeWarps][kMaxDecodeColumns];
  const int lane = threadIdx.x % 32;
  Real* const q = shared_q[threadIdx.x / 32];

  // ---- which row
  const i64 index = static_cast<i64>(blockIdx.x) * kDecodeWarps + threadIdx.x / 32;
  if (index >= static_cast<i64>(p.tokens) * p.heads) return;
  const int token = static_cast<int>(index / p.heads);
  const int head = static_cast<int>(index % p.heads);
  int sequence = 0;
  while (sequence + 1 < p.batch && p.cu_seqlens_q[sequence + 1] <= token) ++sequence;
  const i64 query = token - p.cu_seqlens_q[sequence];
  const i64 len_q = p.cu_seqlens_q[sequence + 1] - p.cu_seqlens_q[sequence];
  const i64 last_visible = p.causal ? query + p.total_seq_lens[sequence] - len_q : 0x7fffffffffff;  // global
  const int len_k = p.seq_lens[sequence];
  int keys = 0;  // local keys are visible in order
  while (keys < len_k && static_cast<i64>(keys) * p.cp_world + p.cp_rank <= last_visible) ++keys;

  const int columns = p.latent_columns + p.rope_columns;
  const auto load_q = [&](const Rows& rows, int first, int count) {
    const u16* const row = static_cast<const u16*>(rows.data) + token * rows.token_stride + head * rows.head_stride;
    for (int c = lane; c < count; c += 32) q[first + c] = to_float<kElement>(row[c]);
  };
  load_q(p.q_nope, 0, p.latent_columns);
  load_q(p.q_pe, p.latent_columns, p.rope_columns);
  __syncwarp();

  // The lanes share the columns of one key after another: neighbors read neighboring bytes.
  const Real scale = p.softmax_scale;
  const auto score = [&](int key, Real& absolute) {
    const CachedKey row = cached_key(p, sequence, key);
    Real dot = 0;
    absolute = 0;
    for (int c = lane; c < columns; c += 32) {
      const Real k = key_value<Real, kElement>(p, row, c);
      dot = multiply_add(q[c], k, dot);
      absolute = multiply_add(fabs(q[c]), fabs(k), absolute);
    }
    absolute = warp_sum(absolute) * scale;
    return warp_sum(dot) * scale;
  };

  // ---- first pass: the maximum; second: the sum
  const Real minus_infinity = -__int_as_float(0x7f800000);
  Real row_max = minus_infinity;
  Real magnitude = 0;
  Real absolute = 0;
  for (int key = 0; key < keys; ++key) {
    row_max = larger(row_max, score(key, absolute));
    magnitude = larger(magnitude, absolute);
  }
  Real sum = 0;
  for (int key = 0; key < keys; ++key) sum += exponential(score(key, absolute) - row_max);

  // ---- third pass: P V; each lane has every 32nd column
  constexpr int kColumnsPerLane = kMaxLatentColumns / 32;
  Real out[kColumnsPerLane] = {};
  for (int key = 0; key < keys; ++key) {
    Real probability = divide(exponential(score(key, absolute) - row_max), sum);
    if constexpr (!kExact) probability = to_float<kElement>(round_to<kElement>(probability));
    const CachedKey row = cached_key(p, sequence, key);
    for (int n = 0; n < kColumnsPerLane; ++n) {
      const int column = n * 32 + lane;
      if (column < p.latent_columns) {
        out[n] = multiply_add(probability, key_value<Real, kElement>(p, row, column), out[n]);
      }
    }
  }
  for (int n = 0; n < kColumnsPerLane; ++n) {
    const int column = n * 32 + lane;
    if (column >= p.latent_columns) continue;
    if constexpr (kExact) {
      p.out[index * p.latent_columns + column] = out[n];
    } else {
      p.yardstick_out[index * p.latent_columns + column] = out[n];
    }
  }
  if constexpr (kExact) {
    if (lane == 0) {
      p.lse[index] = keys > 0 ? row_max + log(sum) : minus_infinity;
      p.magnitude[index] = magnitude;
    }
  }
}

extern "C" __global__ void __launch_bounds__(kDecodeWarps * 32)
    attnjit_decode_reference_bf16(const __grid_constant__ DecodeParams params) {
  decode_row<double, Element::kBFloat16>(params);
}
extern "C" __global__ void __launch_bounds__(kDecodeWarps * 32)
    attnjit_decode_reference_f16(const __grid_constant__ DecodeParams params) {
  decode_row<double, Element::kFloat16>(params);
}
extern "C" __global__ void __launch_bounds__(kDecodeWarps * 32)
    attnjit_decode_yardstick_bf16(const __grid_constant__ DecodeParams params) {
  decode_row<float, Element::kBFloat16>(params);
}
extern "C" __global__ void __launch_bounds__(kDecodeWarps * 32)
    attnjit_decode_yardstick_f16(const __grid_constant__ DecodeParams params) {
  decode_row<float, Element::kFloat16>(params);
}

extern "C" __global__ void attnjit_reference_scatter(const __grid_constant__ ScatterParams p) {
  const i64 bytes = static_cast<i64>(p.rows) * p.row_bytes;
  const i64 first = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (i64 i = first; i < bytes; i += static_cast<i64>(gridDim.x) * blockDim.x) {
    p.destination[p.offsets[i / p.row_bytes] + i % p.row_bytes] = p.source[i];
  }
}

}  // namespace attnjit::reference
