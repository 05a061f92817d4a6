// Of the Hopper prefill kernel (sm90_mha_varlen.cuh): the warp that finds tiles and fetches them.
#pragma once

#include "core/key_mask.cuh"
#include "kernels/sm90_mha_varlen_shared.cuh"
#include "ptx/tma.cuh"

namespace attnjit::kernel {

__device__ u32 tile_counters[kTileCounters];

/// The warp that finds tiles and fetches them.
template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm90_mha_varlen_producer(const Sm90MhaVarlenParams& params, Sm90MhaVarlenShared<kConfig>& shared) {
  constexpr int kBlockM = kConfig.block_m;
  constexpr int kBlockN = kConfig.block_n;
  constexpr int kNopeSlabs = slabs(kConfig.head_dim_qk - kConfig.rope_dim);
  constexpr int kRopeSlabs = slabs(kConfig.rope_dim);
  constexpr int kVSlabs = slabs(kConfig.head_dim_v);
  auto& barriers = shared.barriers;
  const bool leader = thread_index() == 0;
  if (leader) {
    if constexpr (kNopeSlabs > 0) {
      prefetch_tensor_map(params.q_nope);
      prefetch_tensor_map(params.k_nope);
    }
    if constexpr (kRopeSlabs > 0) {
      prefetch_tensor_map(params.q_pe);
      prefetch_tensor_map(params.k_pe);
    }
    prefetch_tensor_map(params.v);
  }

  TileScheduler<kBlockM> scheduler(params.call, params.batch, params.head_group, params.last_heads);
  RingPosition<kConfig.stages> ring;  // of the next K; the V that is next goes where the K before went
  RingPosition<2> tile_ring;
  u32 q_parity = 0;
  int number = static_cast<int>(block_index());
  // The slot of the next tile, once it is free. The leader alone waits for it: a lane that lags could meet it after it
  // was filled and freed once more, and wait for a phase that this warp would have to bring about.
  const auto free_slot = [&]() -> WorkTile& {
    mbarrier_wait(address_of(barriers.tile_empty[tile_ring.stage]), tile_ring.parity ^ 1);
    return shared.tiles[tile_ring.stage];
  };
  const auto tell = [&] {
    mbarrier_arrive(address_of(barriers.tile_full[tile_ring.stage]));
    tile_ring.advance();
  };
  WorkTile tile;
  while (scheduler.seek(number, tile)) {
    u32 given = 0;
    if (leader) {
      // ---- the tile, told to the consumers; the next number is on its way while this tile is fetched
      WorkTile& told = free_slot();
      told = tile;
      const int key_end =
          kConfig.causal ? min_of(tile.len_k, tile.m_begin + kBlockM + tile.len_k - tile.len_q) : tile.len_k;
      const auto mask_rows = [&] {  // seldom asked for, so it takes no registers
        return MaskTileRows(told.sequence, told.q_start, told.m_begin, min_of(kBlockM, told.len_q - told.m_begin));
      };
      auto walk = key_blocks<kConfig.masked, kBlockN>(params.call.mask, mask_rows,
                                                      key_offset<kConfig.masked>(params.call, tile.sequence));
      int block = walk.last(ceil_div(max_of(0, key_end), kBlockN));
      told.n_blocks = block + 1;
      tell();
      given = atomic_add_global(&tile_counters[params.counter], 1);
      if (block >= 0) {
        const int kv_head = tile.head / params.call.heads_per_kv_head;
        const auto load_k = [&](int n_block, int next) {
          const u32 full = address_of(barriers.k_full[ring.stage]);
          mbarrier_wait(address_of(barriers.k_empty[ring.stage]), ring.parity ^ 1);
          if constexpr (kConfig.masked) shared.blocks[ring.stage] = {n_block, next < 0};
          mbarrier_arrive_expect(full, sizeof(shared.k[0]));
          const int token = tile.k_start + n_block * kBlockN;
#pragma unroll
          for (int i = 0; i < kNopeSlabs; ++i) {
            tma_load(address_of(shared.k[ring.stage][i]), params.k_nope, full, i * kSlabColumns, kv_head, token);
          }
#pragma unroll
          for (int i = 0; i < kRopeSlabs; ++i) {
            tma_load(address_of(shared.k[ring.stage][kNopeSlabs + i]), params.k_pe, full, i * kSlabColumns, kv_head,
                     token);
          }
        };
        const auto load_v = [&](int n_block) {
          const RingPosition<kConfig.stages> position = ring.before();
          const u32 full = address_of(barriers.v_full[position.stage]);
          mbarrier_wait(address_of(barriers.v_empty[position.stage]), position.parity ^ 1);
          mbarrier_arrive_expect(full, sizeof(shared.v[0]));
#pragma unroll
          for (int i = 0; i < kVSlabs; ++i) {
            tma_load(address_of(shared.v[position.stage][i]), params.v, full, i * kSlabColumns, kv_head,
                     tile.k_start + n_block * kBlockN);
          }
        };
        // ---- the first K, whose buffer is free before Q's: consumers still work on the tile before
        int next = walk.below(block);
        load_k(block, next);
        ring.advance();

        // ---- Q: each consumer's rows on their own; one may begin the tile while the other still ends the one before
        for (int consumer = 0; consumer < Sm90MhaVarlenShared<kConfig>::kQTiles; ++consumer) {
          const u32 full = address_of(barriers.q_full[consumer]);
          const int token = tile.q_start + tile.m_begin + consumer * kConsumerRows;
          mbarrier_wait(address_of(barriers.q_empty[consumer]), q_parity ^ 1);
          mbarrier_arrive_expect(full, sizeof(shared.q[0]));
#pragma unroll
          for (int i = 0; i < kNopeSlabs; ++i) {
            tma_load(address_of(shared.q[consumer][i]), params.q_nope, full, i * kSlabColumns, tile.head, token);
          }
#pragma unroll
          for (int i = 0; i < kRopeSlabs; ++i) {
            tma_load(address_of(shared.q[consumer][kNopeSlabs + i]), params.q_pe, full, i * kSlabColumns, tile.head,
                     token);
          }
        }
        q_parity ^= 1;

        // ---- a block's V after the next block's K, in the order in which they are used
#pragma unroll 1
        while (next >= 0) {
          const int after = walk.below(next);
          load_k(next, after);
          load_v(block);
          ring.advance();
          block = next;
          next = after;
        }
        load_v(block);
      }
    }
    sync_warp();
    number = static_cast<int>(grid_size()) + shuffle_from(static_cast<int>(given), 0);
  }
  if (leader) {
    free_slot().m_begin = -1;
    tell();
    // There are as many requests as tiles; who made the last one leaves the counter as it was.
    if (number - static_cast<int>(grid_size()) == scheduler.tiles() - 1) tile_counters[params.counter] = 0;
  }
}

}  // namespace attnjit::kernel
