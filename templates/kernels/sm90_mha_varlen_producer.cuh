// Producer warps of the Hopper prefill kernel (sm90_mha_varlen.cuh).
//
// The scheduler warp claims tiles, publishes them to the other warps and loads their Q. The load warp loads K and V. So
// the next tile's K and V arrive while this tile's last block is processed, and its Q as soon as a consumer has
// released the current Q.
#pragma once

#include "core/key_mask.cuh"
#include "kernels/sm90_mha_varlen_shared.cuh"
#include "ptx/tma.cuh"

namespace attnjit::kernel {

__device__ u32 tile_counters[kTileCounters];

/// Iterates over the key blocks that a tile published in shared memory visits, out of its first `n_blocks`.
template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE auto walk_of(const MhaVarlenParams& call, const WorkTile& tile) {
  const auto mask_rows = [&tile] {  // a lambda: rarely used, so it should hold no registers
    return MaskTileRows(tile.sequence, tile.q_start, tile.m_begin, min_of(kConfig.block_m, tile.len_q - tile.m_begin),
                        tile.n_blocks);
  };
  return key_blocks<kConfig.masked, kConfig.block_n>(call.mask, mask_rows,
                                                     key_offset<kConfig.masked>(call, tile.sequence), tile.n_blocks);
}

/// Loads rows of q or k with TMA, slab after slab, the columns of `nope` before those of `pe`. The `full` mbarrier
/// expects their bytes plus `more` for what the caller loads with them.
template <Sm90MhaVarlenConfig kConfig, int kBytes>
ATTNJIT_DEVICE void load_rows(const TensorMap& nope, const TensorMap& pe, int head, int token, u32 destination,
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

/// Scheduler warp: claims tiles, publishes them and loads their Q.
template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm90_mha_varlen_scheduler(const Sm90MhaVarlenParams& params, Sm90MhaVarlenShared<kConfig>& shared,
                                              TileScheduler<kConfig.block_m>& scheduler) {
  using Shared = Sm90MhaVarlenShared<kConfig>;
  auto& barriers = shared.barriers;
  const bool leader = thread_index() == 0;
  PipelineState<kTileSlots> tile_state;
  u32 q_parity = 0, claim_parity = 0;
  const bool claims = params.counter != kNoTileCounter;  // else CTAs take tiles round-robin
  int number = static_cast<int>(block_index());
  // Waits until the slot for the next tile is empty. Only the leader waits: a lane that lags could reach the wait after
  // the slot was filled and emptied once more, and then wait for a phase that this very warp would have to complete.
  const auto free_slot = [&]() -> WorkTile& {
    mbarrier_wait(address_of(barriers.tile_empty[tile_state.stage]), tile_state.parity ^ 1);
    return shared.tiles[tile_state.stage];
  };
  const auto publish = [&] {
    mbarrier_arrive(address_of(barriers.tile_full[tile_state.stage]));
    tile_state.advance();
  };
  for (WorkTile tile; scheduler.seek(number, tile);) {
    u32 claimed = 0;
    if (leader) {
      // ---- the tile
      WorkTile& published = free_slot();
      published = tile;
      const int key_end =
          kConfig.causal ? min_of(tile.len_k, tile.m_begin + kConfig.block_m + tile.len_k - tile.len_q) : tile.len_k;
      published.n_blocks = ceil_div(max_of(0, key_end), kConfig.block_n);
      if (walk_of<kConfig>(params.call, published).first() < 0) published.n_blocks = 0;
      const bool has_keys = published.n_blocks > 0;
      publish();

      // ---- its Q: each consumer's rows have their own barrier, so one may start this tile while the other finishes
      // the last
      if (has_keys) {
#pragma unroll 1
        for (int q_tile = 0; q_tile < Shared::kQTiles; ++q_tile) {
          mbarrier_wait(address_of(barriers.q_empty[q_tile]), q_parity ^ 1);
          load_rows<kConfig, sizeof(shared.q[0])>(params.q_nope, params.q_pe, tile.head,
                                                  tile.q_start + tile.m_begin + q_tile * kConsumerRows,
                                                  address_of(shared.q[q_tile]), address_of(barriers.q_full[q_tile]));
        }
        q_parity ^= 1;
      }
      // Claims the next tile as late as possible, yet early enough for its keys to arrive in time: a tile claimed early
      // would wait behind this one while other SMs are idle.
      if (claims) {
        mbarrier_wait(address_of(barriers.claim_next), claim_parity);
        claim_parity ^= 1;
        claimed = atomic_add_global(&tile_counters[params.counter], 1);
      }
    }
    sync_warp();
    number = static_cast<int>(grid_size()) + (claims ? shuffle_from(static_cast<int>(claimed), 0) : number);
  }
  if (leader) {
    free_slot().m_begin = -1;
    publish();
    // There are as many claims as tiles; the CTA that made the last claim resets the counter to 0.
    if (claims && number - static_cast<int>(grid_size()) == scheduler.tiles() - 1) tile_counters[params.counter] = 0;
  }
}

/// Load thread: loads K and V in the order of use, each block's V after the next block's K. That includes a tile's last
/// V, which follows the next tile's first K if that tile is already published.
template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm90_mha_varlen_load_kv(const Sm90MhaVarlenParams& params, Sm90MhaVarlenShared<kConfig>& shared) {
  auto& barriers = shared.barriers;
  PipelineState<kConfig.stages> k_state;  // of the next K; the next V goes to the stage before
  // Loads K and, under a mask, publishes the block index and loads the mask bits. `offset` is the position in its
  // request of the tile's first key.
  const auto load_k = [&](int head, int token, KeyBlock block, const WorkTile& tile, int offset) {
    const u32 full = address_of(barriers.k_full[k_state.stage]);
    u32 bytes_of_bits = 0;
    if constexpr (kConfig.masked) bytes_of_bits = params.mask_is_mapped ? sizeof(shared.bits[0]) : 0;
    mbarrier_wait(address_of(barriers.k_empty[k_state.stage]), k_state.parity ^ 1);
    if constexpr (kConfig.masked) shared.blocks[k_state.stage] = block.packed();
    load_rows<kConfig, sizeof(shared.k[0])>(params.k_nope, params.k_pe, head, token,
                                            address_of(shared.k[k_state.stage]), full, bytes_of_bits);
    if constexpr (kConfig.masked) {
      if (bytes_of_bits == 0) return;
      const int word = (offset + block.index * kConfig.block_n) / 32;
      tma_load(address_of(shared.bits[k_state.stage]), params.mask, full, word / kMaskBoxStep * kMaskBoxStep, 0,
               tile.q_start + tile.m_begin);
    }
  };
  const auto load_v = [&](int head, int token) {
    const PipelineState<kConfig.stages> v_state = k_state.previous();
    const u32 full = address_of(barriers.v_full[v_state.stage]);
    mbarrier_wait(address_of(barriers.v_empty[v_state.stage]), v_state.parity ^ 1);
    mbarrier_arrive_expect(full, sizeof(shared.v[0]));
#pragma unroll
    for (int i = 0; i < slabs(kConfig.head_dim_v); ++i) {
      tma_load(address_of(shared.v[v_state.stage][i]), params.v, full, i * kSlabColumns, head, token);
    }
  };
  int v_head = 0, v_token = -1;  // the pending V, if any
  PipelineState<kTileSlots> tile_state;
  for (;; tile_state.advance()) {
    const u32 tile_full = address_of(barriers.tile_full[tile_state.stage]);
    const WorkTile& tile = shared.tiles[tile_state.stage];
    // If the next tile is not published yet, or there is none, the pending V does not wait for its K.
    if (v_token >= 0 && !(mbarrier_test(tile_full, tile_state.parity) && tile.m_begin >= 0)) {
      load_v(v_head, v_token);
      v_token = -1;
    }
    mbarrier_wait(tile_full, tile_state.parity);
    if (tile.m_begin < 0) break;
    const int head = static_cast<int>(static_cast<u32>(tile.head) / static_cast<u32>(params.call.qhead_per_kvhead));
    const int k_start = tile.k_start;
    const int offset = key_offset<kConfig.masked>(params.call, tile.sequence);
    auto walk = walk_of<kConfig>(params.call, tile);
    int block = -1;  // before the first block, so that the walk appears in the text only once
#pragma unroll 1
    for (;;) {
      const int next = walk.after(block);
      if (block >= 0) {
        const int token = k_start + block * kConfig.block_n;
        if (next < 0) mbarrier_arrive(address_of(barriers.claim_next));
        load_k(head, token, {block, next < 0}, tile, offset);
        if (v_token >= 0) load_v(v_head, v_token);
        k_state.advance();
        v_head = head;
        v_token = token;
      }
      if (next < 0) break;
      block = next;
    }
    if (tile.n_blocks == 0) mbarrier_arrive(address_of(barriers.claim_next));
    mbarrier_arrive(address_of(barriers.tile_empty[tile_state.stage]));
  }
}

}  // namespace attnjit::kernel
