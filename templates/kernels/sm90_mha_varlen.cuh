// Attention over packed variable-length sequences for Hopper: tensor memory accelerator, wgmma, warp specialisation.
//
// A CTA works on one query tile after another: kBlockM = 128 query rows of one head of one sequence, whose keys it
// walks from the first block to the last visible one in steps of kBlockN. The grid fills the device once; a counter in
// device memory gives out tiles (core/tile_scheduler.cuh).
//
// Roles. Warpgroup 0 gives up its registers and feeds the others: the scheduler, a warp, finds tiles and fetches their
// queries; the fetcher, a thread of another warp, fetches keys and values. Warpgroups 1 and 2 own 64 rows each; scores,
// probabilities and output never leave their registers.
//
// Overlap. Within a warpgroup, S of the next block is multiplied while the softmax of this one runs, and O += P V
// behind it; behind a tile's last P V the next tile's first S, which runs while the tile is stored. Between the two, a
// pair of named barriers keeps one in its softmax while the other's products run.
//
// Files: this one the launch; _shared shared memory and barriers, _producer, _consumer, _epilogue.
#pragma once

#include "kernels/sm90_mha_varlen_consumer.cuh"
#include "kernels/sm90_mha_varlen_producer.cuh"

namespace attnjit::kernel {

template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm90_mha_varlen(const Sm90MhaVarlenParams& params) {
  using Shared = Sm90MhaVarlenShared<kConfig>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  Shared& shared = dynamic_shared<Shared>();

  // ---- barriers, while the lengths of the sequences are on their way
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
      mbarrier_init(address_of(barriers.tile_empty[slot]), kConsumerWarps + 1);  // and the fetcher
    }
    mbarrier_init(address_of(barriers.tile_wanted), 1);
    fence_mbarrier_init();
  }
  sync_block();

  // ---- roles
  if (thread_index() < 128) {
    give_registers<40>();
    if (thread_index() < 32) {
      sm90_mha_varlen_scheduler<kConfig>(params, shared, scheduler);
    } else if (thread_index() == 32) {
      sm90_mha_varlen_fetcher<kConfig>(params, shared);
    }
  } else {
    take_registers<232>();
    sm90_mha_varlen_consumer<kConfig>(params, shared);
  }
}

}  // namespace attnjit::kernel
