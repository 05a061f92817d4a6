// Of the Hopper prefill kernel (sm90_mha_varlen.cuh): the two warps that fetch.
//
// One finds tiles, tells them to everybody else and fetches their queries; the other fetches keys and values. So the
// keys of the next tile come while this tile's last block is worked on, and its queries as soon as a consumer has read
// the last ones.
#pragma once

#include "core/key_mask.cuh"
#include "kernels/sm90_mha_varlen_shared.cuh"
#include "ptx/tma.cuh"

namespace attnjit::kernel {

__device__ u32 tile_counters[kTileCounters];

/// The blocks of keys that a tile told in shared memory visits, of its first `n_blocks`.
template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE auto walk_of(const MhaVarlenParams& call, const WorkTile& told) {
  const auto mask_rows = [&told] {  // seldom asked for, so it takes no registers
    return MaskTileRows(told.sequence, told.q_start, told.m_begin, min_of(kConfig.block_m, told.len_q - told.m_begin),
                        told.n_blocks);
  };
  return key_blocks<kConfig.masked, kConfig.block_n>(call.mask, mask_rows,
                                                     key_offset<kConfig.masked>(call, told.sequence), told.n_blocks);
}

/// Fetches rows of q or k, columns of `nope` before those of `pe`, in slabs one behind the other. `full` counts them,
/// and `more` bytes that are fetched beside.
template <Sm90MhaVarlenConfig kConfig, int kBytes>
ATTNJIT_DEVICE void fetch_rows(const TensorMap& nope, const TensorMap& pe, int head, int token, u32 destination,
                               u32 full, u32 more = 0) {
  constexpr int kNopeSlabs = slabs(kConfig.head_dim_qk - kConfig.rope_dim);
  constexpr int kRopeSlabs = slabs(kConfig.rope_dim);
  constexpr int kSlabBytes = kBytes / (kNopeSlabs + kRopeSlabs);
  mbarrier_arrive_expect(full, kBytes + more);
#pragma unroll
  for (int i = 0; i < kNopeSlabs; ++i) {
    tma_load(destination + i * kSlabBytes, nope, full, i * kSlabColumns, head, token);
  }
#pragma unroll
  for (int i = 0; i < kRopeSlabs; ++i) {
    tma_load(destination + (kNopeSlabs + i) * kSlabBytes, pe, full, i * kSlabColumns, head, token);
  }
}

template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void prefetch_tensor_maps(const Sm90MhaVarlenParams& params) {
  if constexpr (kConfig.head_dim_qk > kConfig.rope_dim) {
    prefetch_tensor_map(params.q_nope);
    prefetch_tensor_map(params.k_nope);
  }
  if constexpr (kConfig.rope_dim > 0) {
    prefetch_tensor_map(params.q_pe);
    prefetch_tensor_map(params.k_pe);
  }
  prefetch_tensor_map(params.v);
  if constexpr (kConfig.masked) prefetch_tensor_map(params.mask);
}

/// A warp: finds tiles, tells them, fetches their queries.
template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm90_mha_varlen_scheduler(const Sm90MhaVarlenParams& params, Sm90MhaVarlenShared<kConfig>& shared,
                                              TileScheduler<kConfig.block_m>& scheduler) {
  using Shared = Sm90MhaVarlenShared<kConfig>;
  auto& barriers = shared.barriers;
  const bool leader = thread_index() == 0;
  RingPosition<kTileSlots> ring;
  u32 q_parity = 0, wanted_parity = 0;
  const bool claims = params.counter != kNoTileCounter;  // else CTAs take tiles in turn
  int number = static_cast<int>(block_index());
  // The slot of the next tile, once it is free. The leader alone waits for it: a lane that lags could meet it after it
  // was filled and freed once more, and wait for a phase that this warp would have to bring about.
  const auto free_slot = [&]() -> WorkTile& {
    mbarrier_wait(address_of(barriers.tile_empty[ring.stage]), ring.parity ^ 1);
    return shared.tiles[ring.stage];
  };
  const auto tell = [&] {
    mbarrier_arrive(address_of(barriers.tile_full[ring.stage]));
    ring.advance();
  };
  for (WorkTile tile; scheduler.seek(number, tile);) {
    u32 given = 0;
    if (leader) {
      // ---- the tile
      WorkTile& told = free_slot();
      told = tile;
      const int key_end =
          kConfig.causal ? min_of(tile.len_k, tile.m_begin + kConfig.block_m + tile.len_k - tile.len_q) : tile.len_k;
      told.n_blocks = ceil_div(max_of(0, key_end), kConfig.block_n);
      if (walk_of<kConfig>(params.call, told).first() < 0) told.n_blocks = 0;
      const bool has_keys = told.n_blocks > 0;
      tell();

      // ---- its queries: each consumer's rows on their own; one may begin the tile while the other still ends the last
      if (has_keys) {
#pragma unroll 1
        for (int q_tile = 0; q_tile < Shared::kQTiles; ++q_tile) {
          mbarrier_wait(address_of(barriers.q_empty[q_tile]), q_parity ^ 1);
          fetch_rows<kConfig, sizeof(shared.q[0])>(params.q_nope, params.q_pe, tile.head,
                                                   tile.q_start + tile.m_begin + q_tile * kConsumerRows,
                                                   address_of(shared.q[q_tile]), address_of(barriers.q_full[q_tile]));
        }
        q_parity ^= 1;
      }
      // Claimed as late as that, yet early enough for its keys to come in time: a tile claimed early would wait behind
      // this one while other SMs are idle.
      if (claims) {
        mbarrier_wait(address_of(barriers.tile_wanted), wanted_parity);
        wanted_parity ^= 1;
        given = atomic_add_global(&tile_counters[params.counter], 1);
      }
    }
    sync_warp();
    number = static_cast<int>(grid_size()) + (claims ? shuffle_from(static_cast<int>(given), 0) : number);
  }
  if (leader) {
    free_slot().m_begin = -1;
    tell();
    // There are as many requests as tiles; who made the last one leaves the counter as it was.
    if (claims && number - static_cast<int>(grid_size()) == scheduler.tiles() - 1) tile_counters[params.counter] = 0;
  }
}

/// A thread: fetches keys and values, a block's V after the next block's K, in the order in which they are used. So
/// goes a tile's last V after the next tile's first K, if that tile is known.
template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm90_mha_varlen_fetcher(const Sm90MhaVarlenParams& params, Sm90MhaVarlenShared<kConfig>& shared) {
  auto& barriers = shared.barriers;
  RingPosition<kConfig.stages> ring;  // of the next K; the V that is next goes where the K before went
  // K, and under a mask which block it is and its bits. `told` is its tile, `offset` the tile's first key's position.
  const auto load_k = [&](int head, int token, KeyBlock block, const WorkTile& told, int offset) {
    const u32 full = address_of(barriers.k_full[ring.stage]);
    u32 bytes_of_bits = 0;
    if constexpr (kConfig.masked) bytes_of_bits = params.mask_is_mapped ? sizeof(shared.bits[0]) : 0;
    mbarrier_wait(address_of(barriers.k_empty[ring.stage]), ring.parity ^ 1);
    if constexpr (kConfig.masked) shared.blocks[ring.stage] = block.packed();
    fetch_rows<kConfig, sizeof(shared.k[0])>(params.k_nope, params.k_pe, head, token, address_of(shared.k[ring.stage]),
                                             full, bytes_of_bits);
    if constexpr (kConfig.masked) {
      if (bytes_of_bits == 0) return;
      const int word = (offset + block.index * kConfig.block_n) / 32;
      tma_load(address_of(shared.bits[ring.stage]), params.mask, full, word / kMaskBoxStep * kMaskBoxStep, 0,
               told.q_start + told.m_begin);
    }
  };
  const auto load_v = [&](int head, int token) {
    const RingPosition<kConfig.stages> position = ring.before();
    const u32 full = address_of(barriers.v_full[position.stage]);
    mbarrier_wait(address_of(barriers.v_empty[position.stage]), position.parity ^ 1);
    mbarrier_arrive_expect(full, sizeof(shared.v[0]));
#pragma unroll
    for (int i = 0; i < slabs(kConfig.head_dim_v); ++i) {
      tma_load(address_of(shared.v[position.stage][i]), params.v, full, i * kSlabColumns, head, token);
    }
  };
  int v_head = 0, v_token = -1;  // of the V that is next, if there is one
  RingPosition<kTileSlots> tiles;
  for (;; tiles.advance()) {
    const u32 told_barrier = address_of(barriers.tile_full[tiles.stage]);
    const WorkTile& told = shared.tiles[tiles.stage];
    // Where the next tile is not told yet, or is none, its keys are no reason to wait.
    if (v_token >= 0 && !(mbarrier_test(told_barrier, tiles.parity) && told.m_begin >= 0)) {
      load_v(v_head, v_token);
      v_token = -1;
    }
    mbarrier_wait(told_barrier, tiles.parity);
    if (told.m_begin < 0) break;
    const int head = static_cast<int>(static_cast<u32>(told.head) / static_cast<u32>(params.call.heads_per_kv_head));
    const int k_start = told.k_start;
    const int offset = key_offset<kConfig.masked>(params.call, told.sequence);
    auto walk = walk_of<kConfig>(params.call, told);
    int block = -1;  // before the first; so the walk stands in the text once
#pragma unroll 1
    for (;;) {
      const int next = walk.after(block);
      if (block >= 0) {
        const int token = k_start + block * kConfig.block_n;
        if (next < 0) mbarrier_arrive(address_of(barriers.tile_wanted));
        load_k(head, token, {block, next < 0}, told, offset);
        if (v_token >= 0) load_v(v_head, v_token);
        ring.advance();
        v_head = head;
        v_token = token;
      }
      if (next < 0) break;
      block = next;
    }
    if (told.n_blocks == 0) mbarrier_arrive(address_of(barriers.tile_wanted));
    mbarrier_arrive(address_of(barriers.tile_empty[tiles.stage]));
  }
}

}  // namespace attnjit::kernel
