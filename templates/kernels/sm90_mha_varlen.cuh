// Attention over packed variable-length sequences for Hopper: tensor memory accelerator, wgmma, warp specialisation.
//
// A CTA works on one query tile after another: kBlockM = 128 query rows of one head of one sequence, whose keys it
// walks from the last visible block to the first in steps of kBlockN. The grid fills the device once; a counter in
// device memory gives out tiles (core/tile_scheduler.cuh).
//
// Roles. Warpgroup 0 gives up its registers and feeds the others: one warp finds tiles, one thread of it issues copies.
// Warpgroups 1 and 2 own 64 rows each; scores, probabilities and output never leave their registers.
//
// Overlap. Within a warpgroup, S of the next block is multiplied while the softmax of this one runs, and O += P V
// behind it; between the two, a pair of named barriers keeps one in its softmax while the other's products run.
#pragma once

#include "core/epilogue.cuh"
#include "core/mask.cuh"
#include "core/softmax.cuh"
#include "kernels/sm90_mha_varlen_producer.cuh"
#include "ptx/wgmma.cuh"
#include "shared/sm90_mha_varlen_config.h"

namespace attnjit::kernel {

/// What a bitmask adds to a lane's rows: nothing, where there is none.
template <bool kMasked, int kKeys>
struct BlockBits {
  ATTNJIT_DEVICE BlockBits(const MhaVarlenParams&, int, i64, int) {}
  ATTNJIT_DEVICE void fetch(int) {}
  template <class Scores>
  ATTNJIT_DEVICE void apply(Scores&) const {}
};
template <int kKeys>
struct BlockBits<true, kKeys> : LaneMask<kKeys> {
  ATTNJIT_DEVICE BlockBits(const MhaVarlenParams& call, int sequence, i64 first_token, int rows)
      : LaneMask<kKeys>(call.mask, first_token, rows, key_offset<true>(call, sequence)) {}
};

/// A warpgroup that multiplies.
template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm90_mha_varlen_consumer(const Sm90MhaVarlenParams& params, Sm90MhaVarlenShared<kConfig>& shared) {
  // ---- shapes
  constexpr int kBlockN = kConfig.block_n;
  using Shared = Sm90MhaVarlenShared<kConfig>;
  constexpr bool kShareRows = Shared::kShareRows;
  constexpr int kKeys = kShareRows ? kBlockN / kConsumers : kBlockN;  // of a block, that a consumer owns
  constexpr int kNTiles = kKeys / 8;
  constexpr int kOutGroups = out_groups(kConfig);
  constexpr int kGroupColumns = kConfig.head_dim_v / kOutGroups;
  constexpr int kGroupTiles = kGroupColumns / 8;
  constexpr int kSlabBytesQ = kConsumerRows * kSlabColumns * 2;
  constexpr int kSlabBytesN = kBlockN * kSlabColumns * 2;
  constexpr int kGroupBytes = 8 * kSlabColumns * 2;  // 8 rows of a slab
  static_assert(kOutGroups == 1 || (kGroupColumns == 128 && !kShareRows));
  using Output = typename SelectOutput<kConfig.out_element, true>::Type;
  auto& barriers = shared.barriers;

  // Told by one lane, so that the compiler knows them to be one value per warp, and descriptors stay in uniform
  // registers.
  const int consumer = shuffle_from(thread_index() / 128, 0) - 1;
  const int warp = shuffle_from(thread_index() / 32 % 4, 0);
  const int q_tile = kShareRows ? 0 : consumer;
  const int warp_row = q_tile * kConsumerRows + warp * 16;
  const int first_key = kShareRows ? consumer * kKeys : 0;  // of a block
  const u32 q_rows = address_of(shared.q) + q_tile * sizeof(shared.q[0]);
  // One arrival per warp: 32 on one barrier would queue up.
  const auto release = [&](u32 barrier) {
    if (thread_index() % 32 == 0) mbarrier_arrive(barrier);
  };
  RingPosition<kConfig.stages> k_ring, v_ring;
  RingPosition<2> tile_ring;
  u32 q_parity = 0;
  if (consumer == 1) named_barrier_arrive(kTurnOfFirst, 256);  // the first consumer begins

  for (;;) {
    // ---- this tile
    mbarrier_wait(address_of(barriers.tile_full[tile_ring.stage]), tile_ring.parity);
    const WorkTile tile = shared.tiles[tile_ring.stage];
    sync_warp();
    release(address_of(barriers.tile_empty[tile_ring.stage]));
    tile_ring.advance();
    if (tile.m_begin < 0) break;
    const int rows = tile.len_q - tile.m_begin - warp_row;  // of this warp that exist
    const CausalMask<kConfig.causal> mask(tile.m_begin + warp_row, tile.len_q, tile.len_k);

    // ---- products
    float scores[1][kNTiles][4];
    float out[kOutGroups][1][kGroupTiles][4];
    u32 probabilities[1][kNTiles / 2][4];
    u32 next_probabilities[1][kNTiles / 2][4];  // while a product reads the others
    OnlineSoftmax<1, kConfig.element> softmax(params.call.softmax_scale_log2);
    const auto multiply_q_k = [&] {
      const u64 q = wgmma_descriptor(q_rows, 0, kGroupBytes);
      const u64 k = wgmma_descriptor(
          address_of(shared.k) + k_ring.stage * sizeof(shared.k[0]) + first_key * kSlabColumns * 2, 0, kGroupBytes);
#pragma unroll
      for (int slab = 0; slab < qk_slabs(kConfig); ++slab) {
#pragma unroll
        for (int column = 0; column < slab_columns(kConfig, slab); column += 16) {
          wgmma_rows<kConfig.element>(scores[0], wgmma_advance(q, slab * kSlabBytesQ + column * 2),
                                      wgmma_advance(k, slab * kSlabBytesN + column * 2), slab + column > 0);
        }
      }
      wgmma_commit();
    };
    const auto multiply_p_v = [&](bool accumulate) {
      const u64 v =
          wgmma_descriptor(address_of(shared.v) + v_ring.stage * sizeof(shared.v[0]) + first_key * kSlabColumns * 2,
                           kSlabBytesN, kGroupBytes);
#pragma unroll
      for (int group = 0; group < kOutGroups; ++group) {
#pragma unroll
        for (int k = 0; k < kKeys / 16; ++k) {
          wgmma_columns<kConfig.element>(
              out[group][0], probabilities[0][k],
              wgmma_advance(v, group * kGroupColumns / kSlabColumns * kSlabBytesN + k * 2 * kGroupBytes),
              accumulate || k > 0);
        }
      }
      wgmma_commit();
    };

    const auto pin_out = [&] {
#pragma unroll
      for (int group = 0; group < kOutGroups; ++group) wgmma_pin(out[group][0]);
    };
    const auto scale_out = [&](const float(&factors)[1][2]) {
#pragma unroll
      for (int group = 0; group < kOutGroups; ++group) scale_rows(out[group], factors);
    };

    // ---- which keys
    KeyBlock block{tile.n_blocks, false};
    BlockBits<kConfig.masked, kKeys> bits(params.call, tile.sequence,
                                          static_cast<i64>(tile.q_start) + tile.m_begin + warp_row, rows);
    // Once its K has landed. The bits are on their way while its scores are multiplied.
    const auto take_block = [&] {
      if constexpr (kConfig.masked) {
        const KeyBlock told = shared.blocks[k_ring.stage];
        sync_warp();  // every lane has read it before one lane gives the buffer back
        block = {shuffle_from(told.index, 0), shuffle_from(told.is_last, 0)};
      } else {
        block = {block.index - 1, block.index == 1};
      }
      bits.fetch(block.index * kBlockN + first_key);
    };
    const auto mask_scores = [&] {
      const int key = block.index * kBlockN + first_key;
      if (key + kKeys > mask.key_end(0)) mask.apply(scores, key);
      bits.apply(scores);
    };
    // Rows behind the sequence's end belong to another sequence, or to nobody: 0 x NaN is NaN, so they become zeros.
    const auto clear_v_behind_end = [&] {
      const int valid = tile.len_k - block.index * kBlockN;
      if (valid >= kBlockN) return;
      mbarrier_wait(address_of(barriers.v_full[v_ring.stage]), v_ring.parity);
      constexpr int kChunksPerRow = kSlabColumns * 2 / 16;
      for (int i = thread_index() - 128; i < slabs(kConfig.head_dim_v) * (kBlockN - valid) * kChunksPerRow; i += 256) {
        const int slab = i / ((kBlockN - valid) * kChunksPerRow);
        const int chunk = i % ((kBlockN - valid) * kChunksPerRow);
        store_shared_16(address_of(shared.v) + v_ring.stage * sizeof(shared.v[0]) + slab * kSlabBytesN +
                            valid * kSlabColumns * 2 + chunk * 16,
                        Vec16{0, 0, 0, 0});
      }
      fence_proxy_async();
      named_barrier_sync(kConsumersMeet, 256);
    };
    if (tile.n_blocks > 0) {
      // ---- the last block of keys: nothing to overlap with yet
      float rescale[1][2];
      mbarrier_wait(address_of(barriers.q_full[q_tile]), q_parity);
      q_parity ^= 1;
      mbarrier_wait(address_of(barriers.k_full[k_ring.stage]), k_ring.parity);
      take_block();
      wgmma_fence();
      multiply_q_k();
      wgmma_wait<0>();
      wgmma_pin(scores[0]);
      release(address_of(barriers.k_empty[k_ring.stage]));
      k_ring.advance();
      if (block.is_last) release(address_of(barriers.q_empty[q_tile]));
      mask_scores();
      softmax.update_boldly(scores, probabilities, rescale);
      clear_v_behind_end();  // both consumers meet in it, so it comes before they take turns

      // ---- S of a block, while O gets what the block before brought
      bool accumulate = false;
      while (!block.is_last) {
        mbarrier_wait(address_of(barriers.k_full[k_ring.stage]), k_ring.parity);
        take_block();
        named_barrier_sync(consumer == 0 ? kTurnOfFirst : kTurnOfSecond, 256);
        wgmma_pin(scores[0]);
        wgmma_fence();
        multiply_q_k();
        mbarrier_wait(address_of(barriers.v_full[v_ring.stage]), v_ring.parity);
        pin_out();
        wgmma_fence();
        multiply_p_v(accumulate);
        accumulate = true;
        named_barrier_arrive(consumer == 0 ? kTurnOfSecond : kTurnOfFirst, 256);

        wgmma_wait<1>();
        wgmma_pin(scores[0]);
        release(address_of(barriers.k_empty[k_ring.stage]));
        k_ring.advance();
        if (block.is_last) release(address_of(barriers.q_empty[q_tile]));
        mask_scores();
        const bool moved = softmax.update_boldly(scores, next_probabilities, rescale);
        // Nobody reads this. It stands between the exponentials and the wait for P V, which the compiler would
        // otherwise move before them: they would then run beside no product.
        store_shared(address_of(shared.out.rows[consumer * 4 + warp]) + thread_index() % 32 * 8,
                     Float2{softmax.row_sum[0][0], softmax.row_sum[0][1]});

        wgmma_wait<0>();
        pin_out();
        release(address_of(barriers.v_empty[v_ring.stage]));
        v_ring.advance();
        if (moved) scale_out(rescale);
          // The product before has read the operand's registers. Were these plain copies, the compiler would compute
          // the probabilities there in the first place, and let every product wait for the one before.
#pragma unroll
        for (int k = 0; k < kKeys / 16; ++k) {
#pragma unroll
          for (int i = 0; i < 4; ++i) probabilities[0][k][i] = next_probabilities[0][k][i] ^ params.zero;
        }
      }

      // ---- the first block's probabilities
      mbarrier_wait(address_of(barriers.v_full[v_ring.stage]), v_ring.parity);
      pin_out();
      wgmma_fence();
      multiply_p_v(accumulate);
      wgmma_wait<0>();
      pin_out();
      release(address_of(barriers.v_empty[v_ring.stage]));
      v_ring.advance();
    } else {
#pragma unroll
      for (int group = 0; group < kOutGroups; ++group) clear(out[group]);
    }

    // ---- epilogue
    softmax.finish();
    const AccumulatorPosition position;
    const i64 first_token = static_cast<i64>(tile.q_start) + tile.m_begin + warp_row;
    const auto store_lse = [&] {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = position.row(0, half);
        if (params.call.lse != nullptr && position.lane % 4 == 0 && row < rows) {
          params.call
              .lse[(first_token + row) * params.call.lse_token_stride + tile.head * params.call.lse_head_stride] =
              softmax.lse(0, half);
        }
      }
    };
    const auto out_rows = [&](int first_column) {
      return StridedRows{static_cast<u8*>(params.call.out) + (first_token * params.call.out_token_stride +
                                                              tile.head * params.call.out_head_stride + first_column) *
                                                                 Output::kBytes,
                         params.call.out_token_stride * Output::kBytes};
    };
    float normaliser[1][2];
    if constexpr (!kShareRows) {
      store_lse();
      normaliser[0][0] = softmax.normaliser(0, 0);
      normaliser[0][1] = softmax.normaliser(0, 1);
      scale_out(normaliser);
#pragma unroll
      for (int group = 0; group < kOutGroups; ++group) {
        sync_warp();  // what the main loop left in the staged rows is there; of further groups, the one before was read
        store_rows<kStagedTiles>(Output(params.call.out_scale), out[group],
                                 address_of(shared.out.rows[consumer * 4 + warp]), staging_pitch(kConfig.out_element),
                                 out_rows(group * kGroupColumns), rows);
      }
    } else {
      // Both consumers have a state of every row; each ends one half of the columns and gives the other one away.
      constexpr int kHalf = kGroupTiles / 2;
      named_barrier_sync(kConsumersMeet, 256);  // what the tile before left here has been read
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
          store_shared(
              address_of(shared.exchange.columns[1 - consumer][warp_row + position.row(0, half)][position.column(n)]),
              theirs);
        }
      }
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        if (position.lane % 4 == 0) {
          store_shared(address_of(shared.exchange.states[consumer][warp_row + position.row(0, half)]),
                       Float2{softmax.row_max[0][half], softmax.row_sum[0][half]});
        }
      }
      named_barrier_sync(kConsumersMeet, 256);  // the exchange is complete
      float theirs[1][2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const Float2 other =
            load_shared_float2(address_of(shared.exchange.states[1 - consumer][warp_row + position.row(0, half)]));
        theirs[0][half] = softmax.join(0, half, other.x, other.y, normaliser[0][half]);
      }
#pragma unroll
      for (int n = 0; n < kHalf; ++n) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const Float2 other = load_shared_float2(
              address_of(shared.exchange.columns[consumer][warp_row + position.row(0, half)][position.column(n)]));
          const int i = 2 * half;
          mine[0][n][i] = mine[0][n][i] * normaliser[0][half] + other.x * theirs[0][half];
          mine[0][n][i + 1] = mine[0][n][i + 1] * normaliser[0][half] + other.y * theirs[0][half];
        }
      }
      if (consumer == 0) store_lse();
      sync_warp();  // the rows of this warp have been read: they give way to the staged output
      store_rows<kStagedTiles>(Output(params.call.out_scale), mine,
                               address_of(shared.exchange.columns[consumer][warp_row]),
                               staging_pitch(kConfig.out_element), out_rows(consumer * kHalf * 8), rows);
    }
    sync_warp();
  }
}

template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm90_mha_varlen(const Sm90MhaVarlenParams& params) {
  using Shared = Sm90MhaVarlenShared<kConfig>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  Shared& shared = dynamic_shared<Shared>();

  // ---- barriers
  if (thread_index() == 0) {
    auto& barriers = shared.barriers;
    constexpr int kConsumerWarps = kConsumers * 4;
    for (int q_tile = 0; q_tile < Shared::kQTiles; ++q_tile) {
      mbarrier_init(address_of(barriers.q_full[q_tile]), 1);
      mbarrier_init(address_of(barriers.q_empty[q_tile]), kConsumerWarps / Shared::kQTiles);
    }
    for (int stage = 0; stage < kConfig.stages; ++stage) {
      mbarrier_init(address_of(barriers.k_full[stage]), 1);
      mbarrier_init(address_of(barriers.k_empty[stage]), kConsumerWarps);
      mbarrier_init(address_of(barriers.v_full[stage]), 1);
      mbarrier_init(address_of(barriers.v_empty[stage]), kConsumerWarps);
    }
    for (int slot = 0; slot < 2; ++slot) {
      mbarrier_init(address_of(barriers.tile_full[slot]), 1);
      mbarrier_init(address_of(barriers.tile_empty[slot]), kConsumerWarps);
    }
    fence_mbarrier_init();
  }
  sync_block();

  // ---- roles
  if (thread_index() < 128) {
    give_registers<40>();
    if (thread_index() < 32) sm90_mha_varlen_producer<kConfig>(params, shared);
  } else {
    take_registers<232>();
    sm90_mha_varlen_consumer<kConfig>(params, shared);
  }
}

}  // namespace attnjit::kernel
