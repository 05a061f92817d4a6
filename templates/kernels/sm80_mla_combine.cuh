// Combines the partial results of sequences that sm80_mla_decode split (split-KV).
//
// One CTA owns `combine_rows` rows (query, head) of one sequence. The grid is one-dimensional, row group fastest, then
// sequence. CTAs of a sequence that was not split exit at once. The warps of a CTA divide the partials of its rows
// among them: with few sequences, a row has many partials.
#pragma once

#include "core/epilogue.cuh"
#include "core/merge.cuh"
#include "shared/mla_decode_params.h"
#include "shared/sm80_mla_decode_config.h"

namespace attnjit::kernel {

template <Sm80MlaCombineConfig kConfig>
struct Sm80MlaCombineShared {
  float sums[kCombineWarps][kConfig.latent_dim];
};

template <Sm80MlaCombineConfig kConfig>
ATTNJIT_DEVICE void sm80_mla_combine(const MlaDecodeParams& params) {
  constexpr int kPairs = kConfig.latent_dim / 64;  // column pairs per lane
  static_assert(kPairs * 64 == kConfig.latent_dim);
  using Output = typename SelectOutput<kConfig.out_element, kConfig.e4m3_cvt>::Type;
  using Shared = Sm80MlaCombineShared<kConfig>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  Shared& shared = dynamic_shared<Shared>();

  // ---- this CTA's rows
  const int warp = thread_index() / 32;
  const int lane = thread_index() % 32;
  const int groups = ceil_div(params.max_seqlen_q * params.num_heads, params.combine_rows);
  const int sequence = static_cast<int>(block_index() / static_cast<u32>(groups));
  const int group = static_cast<int>(block_index() % static_cast<u32>(groups));
  if constexpr (kConfig.dependent_launch) wait_for_prerequisites();
  const int part = params.first_split[sequence];
  const int pieces = params.last_split[sequence] - part + 1;
  if (pieces == 1) return;

  const int warps_per_row = kCombineWarps / params.combine_rows;
  const int row = group * params.combine_rows + warp / warps_per_row;
  const int member = warp % warps_per_row;  // index among the warps of this row
  const bool packed = params.cu_seqlens_q != nullptr;
  const int first_query = packed ? params.cu_seqlens_q[sequence] : 0;
  const int len_q = packed ? params.cu_seqlens_q[sequence + 1] - first_query : params.max_seqlen_q;
  const bool exists = row < len_q * params.num_heads;

  // ---- this warp's share of the weighted sum
  const int m_block = row / params.block_m;
  const auto slot = [&](int piece) {
    const i64 owner = static_cast<i64>(part + piece) * params.m_blocks + m_block;
    return (owner * 2 + (piece == 0 ? 1 : 0)) * params.block_m + row % params.block_m;
  };
  const auto lse_of = [&](int piece) { return params.partial_lse[slot(piece)]; };
  const MergeWeights<32> weights(exists ? pieces : 0, lse_of);
  Float2 sum[kPairs];
#pragma unroll
  for (int i = 0; i < kPairs; ++i) sum[i] = Float2{0.f, 0.f};
  const int mine = exists ? ceil_div(pieces - member, warps_per_row) : 0;  // member, member + warps_per_row, ...
  for (int first = 0; first < mine; first += 32) {
    const int own = first + lane;
    const float own_weight = own < mine ? weights.weight(lse_of(member + own * warps_per_row)) : 0.f;
    const int count = min_of(32, mine - first);
#pragma unroll 4
    for (int j = 0; j < count; ++j) {
      const float weight = shuffle_from(own_weight, j);
      const float* const from =
          params.partial_out + slot(member + (first + j) * warps_per_row) * kConfig.latent_dim + lane * 2;
#pragma unroll
      for (int i = 0; i < kPairs; ++i) {
        const Float2 value = load_global_float2(from + i * 64);
        sum[i].x = fma_float(weight, value.x, sum[i].x);
        sum[i].y = fma_float(weight, value.y, sum[i].y);
      }
    }
  }

  // ---- reduction over the warps of a row; the first one writes
  if (warps_per_row > 1) {
#pragma unroll
    for (int i = 0; i < kPairs; ++i) store_shared(shared_address(&shared.sums[warp][lane * 2 + i * 64]), sum[i]);
    sync_block();
    if (member != 0) return;
    for (int other = 1; other < warps_per_row; ++other) {
#pragma unroll
      for (int i = 0; i < kPairs; ++i) {
        const Float2 value = load_shared_float2(shared_address(&shared.sums[warp + other][lane * 2 + i * 64]));
        sum[i].x += value.x;
        sum[i].y += value.y;
      }
    }
  }
  if (!exists) return;
  const Output output(params.out_scale);
  const i64 batch = packed ? 0 : sequence;
  const i64 query = first_query + row / params.num_heads;
  const i64 head = row % params.num_heads;
  u8* const to =
      static_cast<u8*>(params.out.data) +
      (batch * params.out.batch_stride + query * params.out.query_stride + head * params.out.head_stride + lane * 2) *
          Output::kBytes;
#pragma unroll
  for (int i = 0; i < kPairs; ++i) store_global(to + i * 64 * Output::kBytes, output.pack(sum[i].x, sum[i].y));
  if (lane == 0 && params.lse.data != nullptr) {
    params.lse.data[batch * params.lse.batch_stride + query * params.lse.query_stride + head * params.lse.head_stride] =
        weights.lse();
  }
}

}  // namespace attnjit::kernel
