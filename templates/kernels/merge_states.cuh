// Merges attention states (out, lse) of disjoint sets of keys, row by row, for any SM from 8.0 on.
//
// A row is one (token, head). merge_lanes lanes of one warp own a row, each with chunks of 8 columns. A CTA owns
// merge_rows consecutive rows, token slowest; the grid is one-dimensional. A row is read completely by its own warp
// before any of it is written, so the results may overwrite one of the states.
#pragma once

#include "core/epilogue.cuh"
#include "core/merge.cuh"
#include "shared/merge_states_config.h"
#include "shared/merge_states_params.h"

namespace attnjit::kernel {

/// Loads 8 adjacent columns as float32.
template <Element kElement>
ATTNJIT_DEVICE void load_columns(float (&values)[8], const u8* from) {
  if constexpr (kElement == Element::kFloat32) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const Vec16 v = load_global_16(from + half * 16);
#pragma unroll
      for (int i = 0; i < 4; ++i) values[half * 4 + i] = float_of(v.word[i]);
    }
  } else {
    const Vec16 v = load_global_16(from);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if constexpr (kElement == Element::kBFloat16) {
        values[2 * i] = float_of(v.word[i] << 16);
        values[2 * i + 1] = float_of(v.word[i] & 0xffff0000u);
      } else {
        values[2 * i] = low_f16_to_float(v.word[i]);
        values[2 * i + 1] = high_f16_to_float(v.word[i]);
      }
    }
  }
}

/// Stores 8 adjacent columns, in one store if they are 16 bytes.
template <class Output>
ATTNJIT_DEVICE void store_columns(const Output& output, u8* to, const float (&values)[8]) {
  if constexpr (Output::kBytes == 2) {
    store_global_16(to, Vec16{output.pack(values[0], values[1]), output.pack(values[2], values[3]),
                              output.pack(values[4], values[5]), output.pack(values[6], values[7])});
  } else {
#pragma unroll
    for (int i = 0; i < 8; i += 2) store_global(to + i * Output::kBytes, output.pack(values[i], values[i + 1]));
  }
}

template <MergeStatesConfig kConfig>
ATTNJIT_DEVICE void merge_states(const MergeStatesParams& params) {
  constexpr int kLanes = merge_lanes(kConfig);
  constexpr int kChunks = kConfig.head_dim / 8;
  constexpr int kChunksPerLane = ceil_div(kChunks, kLanes);
  constexpr int kBytes = bytes_of(kConfig.element);
  using Output = typename SelectOutput<kConfig.out_element, kConfig.e4m3_cvt>::Type;

  // ---- this lane's row and columns
  const i64 row = static_cast<i64>(block_index()) * merge_rows(kConfig) + thread_index() / kLanes;
  const int lane = thread_index() % kLanes;
  const bool exists = row < params.rows;
  const i64 token = exists ? row / params.num_heads : 0;  // lanes past the last row read row 0
  const i64 head = exists ? row % params.num_heads : 0;

  // ---- the states
  const auto lse_of = [&](int state) {
    const bool apart = params.apart != 0 && state == 1;
    const AttentionState& from = apart ? params.second : params.first;
    return from.lse[(apart ? 0 : state * params.lse_state_stride) + token * from.lse_token_stride +
                    head * from.lse_head_stride];
  };
  const auto out_of = [&](int state) {
    const bool apart = params.apart != 0 && state == 1;
    const AttentionState& from = apart ? params.second : params.first;
    return static_cast<const u8*>(from.out.data) + ((apart ? 0 : state * params.out_state_stride) +
                                                    token * from.out.token_stride + head * from.out.head_stride) *
                                                       kBytes;
  };

  // ---- the weighted sum. The output of a state without keys is loaded like the others, so that loads need not wait
  // for the weights, but is never added: it may be NaN.
  const MergeWeights<1> weights(params.num_states, lse_of);
  float sum[kChunksPerLane][8] = {};
#pragma unroll 2
  for (int state = 0; state < params.num_states; ++state) {
    const float weight = weights.weight(lse_of(state));
#pragma unroll
    for (int i = 0; i < kChunksPerLane; ++i) {
      const int chunk = lane + i * kLanes;
      if (chunk >= kChunks) break;
      float values[8];
      load_columns<kConfig.element>(values, out_of(state) + chunk * 8 * kBytes);
#pragma unroll
      for (int column = 0; column < 8; ++column) {
        if (weight != 0.f) sum[i][column] = fma_float(weight, values[column], sum[i][column]);
      }
    }
  }
  sync_warp();  // all of this row has been read

  // ---- outputs
  if (!exists) return;
  const Output output(params.out_scale);
  u8* const to =
      static_cast<u8*>(params.out) + (token * params.out_token_stride + head * params.out_head_stride) * Output::kBytes;
#pragma unroll
  for (int i = 0; i < kChunksPerLane; ++i) {
    const int chunk = lane + i * kLanes;
    if (chunk >= kChunks) break;
    store_columns(output, to + chunk * 8 * Output::kBytes, sum[i]);
  }
  if (lane == 0 && params.lse != nullptr) {
    params.lse[token * params.lse_token_stride + head * params.lse_head_stride] = weights.lse();
  }
}

}  // namespace attnjit::kernel
