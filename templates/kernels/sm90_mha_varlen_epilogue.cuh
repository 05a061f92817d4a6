// Epilogue of the Hopper prefill kernel (sm90_mha_varlen.cuh): from a consumer's registers to the output.
#pragma once

#include "core/softmax.cuh"
#include "kernels/sm90_mha_varlen_shared.cuh"

namespace attnjit::kernel {

/// The warp's staging buffer for output rows. Only this warp uses it, except while consumers that share rows exchange
/// partial results. Between two tiles the lanes reconverge when the second tile's slot is released.
template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE u32 staging_of(Sm90MhaVarlenShared<kConfig>& shared, int consumer, int warp) {
  if constexpr (Sm90MhaVarlenShared<kConfig>::kShareRows) {
    return address_of(shared.exchange.columns[consumer][warp * 16]);
  } else {
    return address_of(shared.out.rows[consumer * 4 + warp]);
  }
}

/// Stores rows that see no key: zeros, and -inf as LSE.
template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void store_no_keys(const MhaVarlenParams& call, const WarpRows& at, int consumer) {
  constexpr int kBytes = bytes_of(kConfig.out_element);
  constexpr bool kShareRows = kConfig.block_m == kConsumerRows;
  constexpr int kColumns = kShareRows ? kConfig.head_dim_v / kConsumers : kConfig.head_dim_v;
  constexpr int kChunks = kColumns * kBytes / 16;
  const int lane = thread_index() % 32;
  const StridedRows out = at.template out<kBytes>(call, kShareRows ? consumer * kColumns : 0);
#pragma unroll 1
  for (int i = lane; i < min_of(at.rows, 16) * kChunks; i += 32) {
    store_global_16(out(i / kChunks) + i % kChunks * 16, Vec16{0, 0, 0, 0});
  }
  if (lane < 16 && (!kShareRows || consumer == 0)) at.store_lse(call, lane, kMinusInfinity);
}

/// Finalizes a tile: normalizes, quantizes, stores. `softmax` is already finished.
template <Sm90MhaVarlenConfig kConfig, int kOutGroups, int kGroupTiles>
ATTNJIT_DEVICE void store_tile(const MhaVarlenParams& call, Sm90MhaVarlenShared<kConfig>& shared, int consumer,
                               int warp, OnlineSoftmax<1, kConfig.element>& softmax,
                               float (&out)[kOutGroups][1][kGroupTiles][4]) {
  constexpr bool kShareRows = Sm90MhaVarlenShared<kConfig>::kShareRows;
  constexpr int kPitch = staging_pitch(kConfig);
  constexpr RowStaging kStaging{.tiles = staged_tiles(kConfig), .loads = 4, .stmatrix = true};
  using Output = typename SelectOutput<kConfig.out_element, true>::Type;
  static_assert(kOutGroups == 1 || (kGroupTiles == 16 && !kShareRows));
  const AccumulatorPosition position;
  const WarpRows at = shared.open_rows[consumer * 4 + warp];
  const u32 staging = staging_of(shared, consumer, warp);
  Output output(call.out_scale);
  const float factor = output.take_factor();
  const auto store_lse = [&] {
    if (position.lane % 4 != 0) return;
#pragma unroll
    for (int half = 0; half < 2; ++half) at.store_lse(call, position.row(0, half), softmax.lse(0, half));
  };

  float inv_row_sum[1][2];
  if constexpr (!kShareRows) {
    store_lse();
    inv_row_sum[0][0] = softmax.inv_row_sum(0, 0) * factor;
    inv_row_sum[0][1] = softmax.inv_row_sum(0, 1) * factor;
#pragma unroll
    for (int group = 0; group < kOutGroups; ++group) {
      float scaled[1][kGroupTiles][4];
#pragma unroll
      for (int n = 0; n < kGroupTiles; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) scaled[0][n][i] = out[group][0][n][i] * inv_row_sum[0][i / 2];
      }
      if (group > 0) sync_warp();  // the previously staged group has been read
      store_rows<kStaging>(output, scaled, staging, kPitch,
                           at.template out<Output::kBytes>(call, group * kGroupTiles * 8), at.rows);
    }
  } else {
    // Both consumers hold a partial (out, row_max, row_sum) of every row. Each finalizes one half of the columns and
    // hands the other half over.
    constexpr int kHalf = kGroupTiles / 2;
    auto& exchange = shared.exchange;
    named_barrier_sync(kConsumerSync, 256);  // the previous tile's exchange has been read
    float mine[1][kHalf][4];
#pragma unroll
    for (int n = 0; n < kHalf; ++n) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int i = 2 * half;
        const Float2 theirs = consumer == 0 ? Float2{out[0][0][n + kHalf][i], out[0][0][n + kHalf][i + 1]}
                                            : Float2{out[0][0][n][i], out[0][0][n][i + 1]};
        mine[0][n][i] = consumer == 0 ? out[0][0][n][i] : out[0][0][n + kHalf][i];
        mine[0][n][i + 1] = consumer == 0 ? out[0][0][n][i + 1] : out[0][0][n + kHalf][i + 1];
        store_shared(address_of(exchange.columns[1 - consumer][warp * 16 + position.row(0, half)][position.column(n)]),
                     theirs);
      }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (position.lane % 4 == 0) {
        store_shared(address_of(exchange.states[consumer][warp * 16 + position.row(0, half)]),
                     Float2{softmax.row_max[0][half], softmax.row_sum[0][half]});
      }
    }
    named_barrier_sync(kConsumerSync, 256);  // the exchange is complete
    float theirs[1][2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const Float2 other =
          load_shared_float2(address_of(exchange.states[1 - consumer][warp * 16 + position.row(0, half)]));
      theirs[0][half] = softmax.join(0, half, other.x, other.y, inv_row_sum[0][half]) * factor;
      inv_row_sum[0][half] *= factor;
    }
#pragma unroll
    for (int n = 0; n < kHalf; ++n) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const Float2 other = load_shared_float2(
            address_of(exchange.columns[consumer][warp * 16 + position.row(0, half)][position.column(n)]));
        const int i = 2 * half;
        mine[0][n][i] = mine[0][n][i] * inv_row_sum[0][half] + other.x * theirs[0][half];
        mine[0][n][i + 1] = mine[0][n][i + 1] * inv_row_sum[0][half] + other.y * theirs[0][half];
      }
    }
    if (consumer == 0) store_lse();
    sync_warp();  // this warp's exchanged rows have been read; the staged output may overwrite them
    store_rows<kStaging>(output, mine, staging, kPitch, at.template out<Output::kBytes>(call, consumer * kHalf * 8),
                         at.rows);
  }
}

}  // namespace attnjit::kernel
