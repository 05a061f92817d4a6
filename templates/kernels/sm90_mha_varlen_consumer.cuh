// Consumer warpgroup of the Hopper prefill kernel (sm90_mha_varlen.cuh).
//
// Within a tile, S of a block and, behind it, P V of the block before are in flight together. At the end of a tile the
// order is reversed: the last P V comes first and the next tile's first S behind it, in flight during the epilogue.
// ptxas keeps wgmma asynchronous across the epilogue only as long as nothing there writes an accumulator.
#pragma once

#include "core/key_mask.cuh"
#include "core/lane_mask.cuh"
#include "kernels/sm90_mha_varlen_epilogue.cuh"
#include "ptx/wgmma.cuh"

namespace attnjit::kernel {

/// Stands in for LaneMask when there is no bitmask.
struct AllKeysSeen {
  ATTNJIT_DEVICE void begin(int) {}
  template <class Scores>
  ATTNJIT_DEVICE void apply(Scores&) const {}
};

template <Sm90MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm90_mha_varlen_consumer(const Sm90MhaVarlenParams& params, Sm90MhaVarlenShared<kConfig>& shared) {
  // ---- shapes
  constexpr int kBlockN = kConfig.block_n;
  using Shared = Sm90MhaVarlenShared<kConfig>;
  constexpr bool kShareRows = Shared::kShareRows;
  constexpr int kKeys = kShareRows ? kBlockN / kConsumers : kBlockN;  // keys of a block that a consumer owns
  constexpr int kNTiles = kKeys / 8;
  constexpr int kOutGroups = out_groups(kConfig);
  constexpr int kGroupColumns = kConfig.head_dim_v / kOutGroups;
  constexpr int kSlabBytesQ = kConsumerRows * kSlabColumns * 2;
  constexpr int kSlabBytesN = kBlockN * kSlabColumns * 2;
  constexpr int kGroupBytes = 8 * kSlabColumns * 2;  // 8 rows of a slab
  auto& barriers = shared.barriers;

  // Broadcast from one lane, so that the compiler knows the value to be uniform across the warp and keeps descriptors
  // in uniform registers.
  const int consumer = shuffle_from(thread_index() / 128, 0) - 1;
  const auto warp = [] { return static_cast<int>(static_cast<u32>(reread_thread_index()) / 32 % 4); };
  const int q_tile = kShareRows ? 0 : consumer;
  const auto warp_row = [&] { return q_tile * kConsumerRows + warp() * 16; };
  const int first_key = kShareRows ? consumer * kKeys : 0;  // within a block
  const u32 q_rows = address_of(shared.q) + q_tile * sizeof(shared.q[0]);
  // One arrival per warp: 32 arrivals on one barrier would queue up.
  const auto release = [&](u32 barrier) {
    if (thread_index() % 32 == 0) mbarrier_arrive(barrier);
  };
  const auto warp_scheduler_barrier_sync = [&] {
    named_barrier_sync(consumer == 0 ? kWarpSchedulerWG1 : kWarpSchedulerWG2, 256);
  };
  const auto warp_scheduler_barrier_arrive = [&] {
    named_barrier_arrive(consumer == 0 ? kWarpSchedulerWG2 : kWarpSchedulerWG1, 256);
  };
  PipelineState<kConfig.stages> k_state;  // of the next K; the next V is in the stage before
  u32 q_parity = 0;

  // ---- GEMMs
  float scores[1][kNTiles][4];
  float out[kOutGroups][1][kGroupColumns / 8][4];
  u32 probabilities[1][kNTiles / 2][4];
  u32 next_probabilities[1][kNTiles / 2][4];  // written while P V still reads `probabilities`
  const auto q_descriptor = [&] { return wgmma_descriptor(q_rows, 0, kGroupBytes); };
  const auto k_descriptor = [&] {
    return wgmma_descriptor(address_of(shared.k) + k_state.stage * sizeof(shared.k[0]) + first_key * kSlabColumns * 2,
                            0, kGroupBytes);
  };
  const auto gemm_qk = [&] {
    const u64 q = q_descriptor();
    const u64 k = k_descriptor();
    wgmma_fence();
#pragma unroll
    for (int slab = 0; slab < qk_slabs(kConfig); ++slab) {
      const u64 q_slab = wgmma_advance(q, slab * kSlabBytesQ);
      const u64 k_slab = wgmma_advance(k, slab * kSlabBytesN);
      if (slab_columns(kConfig, slab) == kSlabColumns) {
        wgmma_ss<kConfig.element, 4>(scores[0], q_slab, k_slab, slab > 0);
        continue;
      }
#pragma unroll
      for (int column = 0; column < slab_columns(kConfig, slab); column += 16) {
        wgmma_ss<kConfig.element, 1>(scores[0], wgmma_advance(q_slab, column * 2), wgmma_advance(k_slab, column * 2),
                                     slab + column > 0);
      }
    }
    wgmma_commit();
  };
  // The first S of a tile, as a loop: ptxas takes 6 ms for each wgmma in the text, and here, next to the epilogue, the
  // loop costs no run time. A wgmma group cannot be closed after a loop, so each iteration is its own group.
  const auto gemm_first_qk = [&] {
    if constexpr (all_slabs_full(kConfig)) {
      const u64 q = q_descriptor();
      const u64 k = k_descriptor();
#pragma unroll 1
      for (int i = 0; i < qk_slabs(kConfig); ++i) {
        const int slab = shuffle_from(i, 0);  // warp-uniform, like `consumer`
        wgmma_fence();
        wgmma_ss<kConfig.element, 4>(scores[0], wgmma_advance(q, slab * kSlabBytesQ),
                                     wgmma_advance(k, slab * kSlabBytesN), slab > 0);
        wgmma_commit();
      }
    } else {
      gemm_qk();
    }
  };
  const auto pin_out = [&] {
#pragma unroll
    for (int group = 0; group < kOutGroups; ++group) wgmma_pin(out[group][0]);
  };
  const auto gemm_pv = [&](bool accumulate) {
    const PipelineState<kConfig.stages> v_state = k_state.previous();
    const u64 v =
        wgmma_descriptor(address_of(shared.v) + v_state.stage * sizeof(shared.v[0]) + first_key * kSlabColumns * 2,
                         kSlabBytesN, kGroupBytes);
    mbarrier_wait(address_of(barriers.v_full[v_state.stage]), v_state.parity);
    wgmma_fence();
#pragma unroll
    for (int group = 0; group < kOutGroups; ++group) {
#pragma unroll
      for (int k = 0; k < kKeys / 16; k += 4) {
        wgmma_rs<kConfig.element>(
            out[group][0], &probabilities[0][k],
            wgmma_advance(v, group * kGroupColumns / kSlabColumns * kSlabBytesN + k * 2 * kGroupBytes),
            accumulate || k > 0);
      }
    }
    wgmma_commit();
  };
  // Call after the previous P V has read the operand registers. The XOR with params.zero matters: with plain copies the
  // compiler would compute the probabilities in the operand registers in the first place, and serialize every wgmma
  // with the previous one.
  const auto copy_probabilities = [&] {
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
#pragma unroll
      for (int i = 0; i < 4; ++i) probabilities[0][k][i] = next_probabilities[0][k][i] ^ params.zero;
    }
  };
  const auto release_v = [&] { release(address_of(barriers.v_empty[k_state.previous().stage])); };

  // ---- rows and keys. Rarely used fields of a tile stay in its shared memory slot until the tile's last block.
  u32 tiles_taken = 0;  // tile slots consumed so far
  const auto slot = [&] { return (tiles_taken - 1) % kTileSlots; };
  CausalMask<kConfig.causal> mask(0, 0, 0);
  Conditional<kConfig.masked, LaneMask<kKeys>, AllKeysSeen> bits;
  KeyBlock block{};
  const auto rows = [&] {
    const WorkTile& tile = shared.tiles[slot()];
    const int first_row = tile.m_begin + warp_row();
    return WarpRows{tile.q_start + first_row, tile.len_q - first_row, tile.head};
  };
  const auto release_slot = [&] {
    sync_warp();  // every lane has read the slot
    release(address_of(barriers.tile_empty[slot()]));
  };
  // Advances to the next tile whose rows see any key; returns false when there is none.
  const auto next_tile = [&] {
    for (;;) {
      ++tiles_taken;
      mbarrier_wait(address_of(barriers.tile_full[slot()]), (tiles_taken - 1) / kTileSlots % 2);
      const WorkTile& tile = shared.tiles[slot()];
      if (shuffle_from(tile.m_begin, 0) < 0) return false;
      const int n_blocks = shuffle_from(tile.n_blocks, 0);
      if (n_blocks > 0) {
        // Without a bitmask, blocks are counted from the end: -n_blocks to -1.
        const int end = kConfig.masked ? 0 : n_blocks;
        block = {-1 - end, false};
        mask = CausalMask<kConfig.causal>(tile.m_begin + warp_row(), tile.len_q, tile.len_k);
        mask.count_from(end * kBlockN);
        bits.begin(key_offset<kConfig.masked>(params.call, tile.sequence));
        return true;
      }
      store_no_keys<kConfig>(params.call, rows(), consumer);
      release_slot();
    }
  };
  const auto await_k = [&] { mbarrier_wait(address_of(barriers.k_full[k_state.stage]), k_state.parity); };
  // Reads which block has landed in the K stage, and its mask bits. Issued behind the block's S, which does not depend
  // on them.
  const auto next_block = [&] {
    if constexpr (kConfig.masked) {
      block = KeyBlock::unpacked(shuffle_from(shared.blocks[k_state.stage], 0));
      const int key = block.index * kBlockN;
      // Bits that TMA cannot load are copied by the warp itself; a buffer then belongs to one consumer.
      const u32 from = address_of(shared.bits[params.mask_is_mapped ? k_state.stage : consumer][warp_row()]);
      if (!params.mask_is_mapped) {
        const WarpRows at = rows();
        copy_mask_rows(params.call.mask, at.first_token, at.rows, bits.first_word(key), from);
      }
      bits.take(from, key, first_key);
      sync_warp();  // all lanes have read the bits and the block index before one lane releases the stage
    } else {
      block = {block.index + 1, block.index == -2};
    }
  };
  const auto mask_scores = [&] {
    const int key = block.index * kBlockN + first_key;
    if (key + kKeys > mask.key_end(0)) mask.apply(scores, key);
    bits.apply(scores);
  };
  const auto begin_tile = [&] {
    // The barrier's address is recomputed once per tile rather than kept in a register.
    mbarrier_wait(address_of(barriers.q_full[kShareRows ? 0 : reread_thread_index() / 128 - 1]), q_parity);
    q_parity ^= 1;
    await_k();
    gemm_first_qk();
    next_block();
  };
  // V rows past the end of the sequence belong to another sequence, or to nobody. They are zeroed, since 0 x NaN is
  // NaN.
  const auto clear_v_behind_end = [&] {
    const int valid = mask.len_k - block.index * kBlockN;
    if (valid >= kBlockN) return;
    const PipelineState<kConfig.stages> v_state = k_state.previous();
    mbarrier_wait(address_of(barriers.v_full[v_state.stage]), v_state.parity);
    constexpr int kChunksPerRow = kSlabColumns * 2 / 16;
    // Row and chunk come from the thread index, recomputed rather than kept in registers.
#pragma unroll 1
    for (int row = valid + (reread_thread_index() - 128) / kChunksPerRow; row < kBlockN; row += 256 / kChunksPerRow) {
      const u32 to =
          address_of(shared.v[v_state.stage]) + row * kSlabColumns * 2 + reread_thread_index() % kChunksPerRow * 16;
#pragma unroll
      for (int slab = 0; slab < slabs(kConfig.head_dim_v); ++slab) {
        store_shared_16(to + slab * kSlabBytesN, Vec16{0, 0, 0, 0});
      }
    }
    fence_proxy_async();
    named_barrier_sync(kConsumerSync, 256);
  };

  if (consumer == 1) warp_scheduler_barrier_arrive();  // consumer 0 goes first
  OnlineSoftmax<1, kConfig.element> softmax(params.call.softmax_scale_log2);
  bool accumulate = false;  // `out` holds a partial sum to accumulate onto
  bool tile_open = false;   // a tile is open: its last P V is still to come
  for (;;) {
    // ---- P V of a tile's last block, with S of the next tile behind it. The next tile is determined first.
    if (tile_open) {
      if (thread_index() % 32 == 0) shared.open_rows[consumer * 4 + warp()] = rows();  // registers are scarce
      release_slot();
    }
    const bool more = next_tile();
    if (tile_open) {
      warp_scheduler_barrier_sync();
      gemm_pv(accumulate);
      warp_scheduler_barrier_arrive();
    }
    if (more) {
      begin_tile();
      wgmma_wait<1>();  // P V, and all but the last slab of S: ptxas does not count loop iterations
    } else {
      wgmma_wait<0>();
    }
    if (tile_open) {
      pin_out();
      release_v();
      softmax.finalize();
      store_tile<kConfig>(params.call, shared, consumer, warp(), softmax, out);
    }
    wgmma_wait<0>();
    if (!more) break;

    softmax = OnlineSoftmax<1, kConfig.element>(params.call.softmax_scale_log2);
    tile_open = true;
    accumulate = false;
    for (;;) {
      // ---- scores to probabilities, while P V of the previous block is in flight
      wgmma_pin(scores[0]);
      release(address_of(barriers.k_empty[k_state.stage]));
      if (block.is_last) release(address_of(barriers.q_empty[q_tile]));
      mask_scores();
      float rescale[1][2];
      const bool must_rescale = softmax.update_lazy(scores, next_probabilities, rescale, !accumulate);
      wgmma_wait<0>();
      pin_out();
      if (accumulate) {
        release_v();
        if (must_rescale) {
#pragma unroll
          for (int group = 0; group < kOutGroups; ++group) scale_rows(out[group], rescale);
        }
      }
      k_state.advance();
      if (block.is_last) {
        copy_probabilities();
        clear_v_behind_end();
        break;
      }

      // ---- S of the next block, with P V of this one behind it
      await_k();
      warp_scheduler_barrier_sync();
      gemm_qk();
      copy_probabilities();  // S does not depend on this
      // Before P V: its A operand is in registers, so it is not issued until S is nearly done, and nothing after it
      // would be hidden.
      next_block();
      gemm_pv(accumulate);
      accumulate = true;
      warp_scheduler_barrier_arrive();
      wgmma_wait<1>();
    }
  }
}

}  // namespace attnjit::kernel
