// Varlen attention for Hopper: TMA, wgmma, warp specialization, persistent CTAs.
//
// The grid fills the device once. Each CTA processes one query tile after another; a tile is one m_block (kBlockM query
// rows) of one head of one sequence. The CTA walks the tile's keys in steps of kBlockN, from the first block to the
// last visible one. CTAs claim tiles from a counter in device memory, or without one take them round-robin
// (core/tile_scheduler.cuh).
//
// Roles. Warpgroup 0 is the producer and gives up most of its registers: its scheduler warp claims tiles and loads
// their Q; one thread of a second warp (sm90_mha_varlen_load_kv) loads K and V. Warpgroups 1 and 2 are the consumers.
// Each owns 64 query rows and keeps scores, probabilities and output in registers. With kBlockM = 128 the rows differ;
// with 64 they are the same, and each consumer takes half of the keys of every block.
//
// Overlap. A consumer issues S = Q K^T of the next block and, behind it, O += P V of this one; P V overlaps with the
// next block's softmax. After a tile's last P V it issues the next tile's first S, which overlaps with the epilogue.
// Between the consumers, a pair of named barriers (the warp scheduler barrier) keeps one in its softmax while the
// other's wgmma runs.
//
// Files: the launch is here; _shared has shared memory and barriers; then _producer, _consumer, _epilogue.
#pragma once

#include "kernels/sm90_mha_varlen_consumer.cuh"
#include "kernels/sm90_mha_varlen_producer.cuh"

namespace attnjit::kernel {

template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm90_mha_varlen(const Sm90MhaVarlenParams& params) {
  using Shared = Sm90MhaVarlenShared<kConfig>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  Shared& shared = dynamic_shared<Shared>();

  // ---- barriers: initialized while the loads of the sequence lengths are in flight
  TileScheduler<kConfig.block_m> scheduler(params.call, params.batch, params.head_group, params.last_heads);
  if (thread_index() < 32) scheduler.load();
  if (thread_index() == 32) {
    prefetch_tensor_maps<kConfig>(params);
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
    for (int slot = 0; slot < kTileSlots; ++slot) {
      mbarrier_init(address_of(barriers.tile_full[slot]), 1);
      mbarrier_init(address_of(barriers.tile_empty[slot]), kConsumerWarps + 1);  // and the K/V load warp
    }
    mbarrier_init(address_of(barriers.claim_next), 1);
    fence_mbarrier_init();
  }
  sync_block();

  // ---- roles
  if (thread_index() < 128) {
    setmaxnreg_dec<40>();
    if (thread_index() < 32) {
      sm90_mha_varlen_scheduler<kConfig>(params, shared, scheduler);
    } else if (thread_index() == 32) {
      sm90_mha_varlen_load_kv<kConfig>(params, shared);
    }
  } else {
    setmaxnreg_inc<232>();
    sm90_mha_varlen_consumer<kConfig>(params, shared);
  }
}

}  // namespace attnjit::kernel
