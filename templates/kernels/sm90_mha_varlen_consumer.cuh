// Of the Hopper prefill kernel (sm90_mha_varlen.cuh): a warpgroup that multiplies.
//
// What is under way when: the scores of a block and, behind them, the product of the block before with its V. At a
// tile's end it is the other way round: behind the last product the first scores of the next tile, which are under way
// during the epilogue. ptxas follows them across it only as long as nothing there writes an accumulator.
#pragma once

#include "core/key_mask.cuh"
#include "core/lane_mask.cuh"
#include "kernels/sm90_mha_varlen_epilogue.cuh"
#include "ptx/wgmma.cuh"

namespace attnjit::kernel {

/// Instead of a LaneMask, where there is no bitmask.
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
  constexpr int kKeys = kShareRows ? kBlockN / kConsumers : kBlockN;  // of a block, that a consumer owns
  constexpr int kNTiles = kKeys / 8;
  constexpr int kOutGroups = out_groups(kConfig);
  constexpr int kGroupColumns = kConfig.head_dim_v / kOutGroups;
  constexpr int kSlabBytesQ = kConsumerRows * kSlabColumns * 2;
  constexpr int kSlabBytesN = kBlockN * kSlabColumns * 2;
  constexpr int kGroupBytes = 8 * kSlabColumns * 2;  // 8 rows of a slab
  auto& barriers = shared.barriers;

  // Told by one lane, so that the compiler knows them to be one value per warp, and descriptors stay in uniform
  // registers.
  const int consumer = shuffle_from(thread_index() / 128, 0) - 1;
  const auto warp = [] { return static_cast<int>(static_cast<u32>(thread_index_anew()) / 32 % 4); };
  const int q_tile = kShareRows ? 0 : consumer;
  const auto warp_row = [&] { return q_tile * kConsumerRows + warp() * 16; };
  const int first_key = kShareRows ? consumer * kKeys : 0;  // of a block
  const u32 q_rows = address_of(shared.q) + q_tile * sizeof(shared.q[0]);
  // One arrival per warp: 32 on one barrier would queue up.
  const auto release = [&](u32 barrier) {
    if (thread_index() % 32 == 0) mbarrier_arrive(barrier);
  };
  const auto take_turn = [&] { named_barrier_sync(consumer == 0 ? kTurnOfFirst : kTurnOfSecond, 256); };
  const auto pass_turn = [&] { named_barrier_arrive(consumer == 0 ? kTurnOfSecond : kTurnOfFirst, 256); };
  RingPosition<kConfig.stages> ring;  // of the next K; the V that is next lies where the K before lay
  u32 q_parity = 0;

  // ---- products
  float scores[1][kNTiles][4];
  float out[kOutGroups][1][kGroupColumns / 8][4];
  u32 probabilities[1][kNTiles / 2][4];
  u32 next_probabilities[1][kNTiles / 2][4];  // while a product reads the others
  const auto q_descriptor = [&] { return wgmma_descriptor(q_rows, 0, kGroupBytes); };
  const auto k_descriptor = [&] {
    return wgmma_descriptor(address_of(shared.k) + ring.stage * sizeof(shared.k[0]) + first_key * kSlabColumns * 2, 0,
                            kGroupBytes);
  };
  const auto multiply_q_k = [&] {
    const u64 q = q_descriptor();
    const u64 k = k_descriptor();
    wgmma_fence();
#pragma unroll
    for (int slab = 0; slab < qk_slabs(kConfig); ++slab) {
      const u64 q_slab = wgmma_advance(q, slab * kSlabBytesQ);
      const u64 k_slab = wgmma_advance(k, slab * kSlabBytesN);
      if (slab_columns(kConfig, slab) == kSlabColumns) {
        wgmma_rows<kConfig.element, 4>(scores[0], q_slab, k_slab, slab > 0);
        continue;
      }
#pragma unroll
      for (int column = 0; column < slab_columns(kConfig, slab); column += 16) {
        wgmma_rows<kConfig.element, 1>(scores[0], wgmma_advance(q_slab, column * 2), wgmma_advance(k_slab, column * 2),
                                       slab + column > 0);
      }
    }
    wgmma_commit();
  };
  // A tile's first S, as a loop: ptxas takes 6 ms for each product in the text, and here, beside the epilogue, it costs
  // no time. A group of products cannot end behind a loop, so each turn is a group.
  const auto multiply_first_q_k = [&] {
    if constexpr (all_slabs_full(kConfig)) {
      const u64 q = q_descriptor();
      const u64 k = k_descriptor();
#pragma unroll 1
      for (int i = 0; i < qk_slabs(kConfig); ++i) {
        const int slab = shuffle_from(i, 0);  // one value per warp, like `consumer`
        wgmma_fence();
        wgmma_rows<kConfig.element, 4>(scores[0], wgmma_advance(q, slab * kSlabBytesQ),
                                       wgmma_advance(k, slab * kSlabBytesN), slab > 0);
        wgmma_commit();
      }
    } else {
      multiply_q_k();
    }
  };
  const auto pin_out = [&] {
#pragma unroll
    for (int group = 0; group < kOutGroups; ++group) wgmma_pin(out[group][0]);
  };
  const auto multiply_p_v = [&](bool accumulate) {
    const RingPosition<kConfig.stages> position = ring.before();
    const u64 v =
        wgmma_descriptor(address_of(shared.v) + position.stage * sizeof(shared.v[0]) + first_key * kSlabColumns * 2,
                         kSlabBytesN, kGroupBytes);
    mbarrier_wait(address_of(barriers.v_full[position.stage]), position.parity);
    wgmma_fence();
#pragma unroll
    for (int group = 0; group < kOutGroups; ++group) {
#pragma unroll
      for (int k = 0; k < kKeys / 16; k += 4) {
        wgmma_columns<kConfig.element>(
            out[group][0], &probabilities[0][k],
            wgmma_advance(v, group * kGroupColumns / kSlabColumns * kSlabBytesN + k * 2 * kGroupBytes),
            accumulate || k > 0);
      }
    }
    wgmma_commit();
  };
  // Once the product before has read the operand's registers. Were these plain copies, the compiler would compute the
  // probabilities there in the first place, and let every product wait for the one before.
  const auto copy_probabilities = [&] {
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
#pragma unroll
      for (int i = 0; i < 4; ++i) probabilities[0][k][i] = next_probabilities[0][k][i] ^ params.zero;
    }
  };
  const auto give_v_back = [&] { release(address_of(barriers.v_empty[ring.before().stage])); };

  // ---- which rows, and which keys. What is seldom asked of a tile stays in its slot, until its last block.
  u32 taken = 0;  // slots so far
  const auto slot = [&] { return (taken - 1) % kTileSlots; };
  CausalMask<kConfig.causal> mask(0, 0, 0);
  typename SelectType<kConfig.masked, LaneMask<kKeys>, AllKeysSeen>::Type bits;
  KeyBlock block{};
  const auto rows = [&] {
    const WorkTile& tile = shared.tiles[slot()];
    const int first_row = tile.m_begin + warp_row();
    return WarpRows{tile.q_start + first_row, tile.len_q - first_row, tile.head};
  };
  const auto give_slot_back = [&] {
    sync_warp();  // every lane has read it
    release(address_of(barriers.tile_empty[slot()]));
  };
  // The next tile whose rows see any key; false if there is none.
  const auto take_tile = [&] {
    for (;;) {
      ++taken;
      mbarrier_wait(address_of(barriers.tile_full[slot()]), (taken - 1) / kTileSlots % 2);
      const WorkTile& tile = shared.tiles[slot()];
      if (shuffle_from(tile.m_begin, 0) < 0) return false;
      const int n_blocks = shuffle_from(tile.n_blocks, 0);
      if (n_blocks > 0) {
        // Without a bitmask keys are counted from the end of the last block: blocks are -n_blocks to -1.
        const int end = kConfig.masked ? 0 : n_blocks;
        block = {-1 - end, false};
        mask = CausalMask<kConfig.causal>(tile.m_begin + warp_row(), tile.len_q, tile.len_k);
        mask.count_from(end * kBlockN);
        bits.begin(key_offset<kConfig.masked>(params.call, tile.sequence));
        return true;
      }
      store_no_keys<kConfig>(params.call, rows(), consumer);
      give_slot_back();
    }
  };
  const auto await_k = [&] { mbarrier_wait(address_of(barriers.k_full[ring.stage]), ring.parity); };
  // The block whose K has landed, and its bits: asked for behind its product, which does not depend on them.
  const auto take_block = [&] {
    if constexpr (kConfig.masked) {
      block = KeyBlock::unpacked(shuffle_from(shared.blocks[ring.stage], 0));
      const int key = block.index * kBlockN;
      // Bits that the copy engine cannot fetch a warp copies itself; a buffer is then a consumer's own.
      const u32 from = address_of(shared.bits[params.mask_is_mapped ? ring.stage : consumer][warp_row()]);
      if (!params.mask_is_mapped) {
        const WarpRows at = rows();
        copy_mask_rows(params.call.mask, at.first_token, at.rows, bits.first_word(key), from);
      }
      bits.take(from, key, first_key);
      sync_warp();  // every lane has read them, and which block they are of, before one lane gives the buffer back
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
    // Its address is formed here, once per tile, rather than kept.
    mbarrier_wait(address_of(barriers.q_full[kShareRows ? 0 : thread_index_anew() / 128 - 1]), q_parity);
    q_parity ^= 1;
    await_k();
    multiply_first_q_k();
    take_block();
  };
  // Rows behind the sequence's end belong to another sequence, or to nobody: 0 x NaN is NaN, so they become zeros.
  const auto clear_v_behind_end = [&] {
    const int valid = mask.len_k - block.index * kBlockN;
    if (valid >= kBlockN) return;
    const RingPosition<kConfig.stages> position = ring.before();
    mbarrier_wait(address_of(barriers.v_full[position.stage]), position.parity);
    constexpr int kChunksPerRow = kSlabColumns * 2 / 16;
    // A thread's row and chunk are told by its number, found again rather than kept.
#pragma unroll 1
    for (int row = valid + (thread_index_anew() - 128) / kChunksPerRow; row < kBlockN; row += 256 / kChunksPerRow) {
      const u32 to =
          address_of(shared.v[position.stage]) + row * kSlabColumns * 2 + thread_index_anew() % kChunksPerRow * 16;
#pragma unroll
      for (int slab = 0; slab < slabs(kConfig.head_dim_v); ++slab) {
        store_shared_16(to + slab * kSlabBytesN, Vec16{0, 0, 0, 0});
      }
    }
    fence_proxy_async();
    named_barrier_sync(kConsumersMeet, 256);
  };

  if (consumer == 1) pass_turn();  // the first consumer takes the first turn
  OnlineSoftmax<1, kConfig.element> softmax(params.call.softmax_scale_log2);
  bool begun = false;  // there is an output to add to
  bool ends = false;   // there is a tile whose last product is still to come
  for (;;) {
    // ---- P V of a tile's last block, and S of the next tile behind it. Which tile that is, is found out before.
    if (ends) {
      if (thread_index() % 32 == 0) shared.ended[consumer * 4 + warp()] = rows();  // registers are short
      give_slot_back();
    }
    const bool more = take_tile();
    if (ends) {
      take_turn();
      multiply_p_v(begun);
      pass_turn();
    }
    if (more) {
      begin_tile();
      wgmma_wait<1>();  // P V, and all but the last slab of S: ptxas does not count the turns of its loop
    } else {
      wgmma_wait<0>();
    }
    if (ends) {
      pin_out();
      give_v_back();
      softmax.finish();
      store_tile<kConfig>(params.call, shared, consumer, warp(), softmax, out);
    }
    wgmma_wait<0>();
    if (!more) break;

    softmax = OnlineSoftmax<1, kConfig.element>(params.call.softmax_scale_log2);
    ends = true;
    begun = false;
    for (;;) {
      // ---- scores to probabilities, while O gets what the block before brought
      wgmma_pin(scores[0]);
      release(address_of(barriers.k_empty[ring.stage]));
      if (block.is_last) release(address_of(barriers.q_empty[q_tile]));
      mask_scores();
      float rescale[1][2];
      const bool moved = softmax.update_boldly(scores, next_probabilities, rescale, !begun);
      wgmma_wait<0>();
      pin_out();
      if (begun) {
        give_v_back();
        if (moved) {
#pragma unroll
          for (int group = 0; group < kOutGroups; ++group) scale_rows(out[group], rescale);
        }
      }
      ring.advance();
      if (block.is_last) {
        copy_probabilities();
        clear_v_behind_end();
        break;
      }

      // ---- S of the next block, and P V of this one behind it
      await_k();
      take_turn();
      multiply_q_k();
      copy_probabilities();  // which S need not wait for
      // Before P V, which has its left operand in registers and so is not issued until S is all but done: behind it
      // nothing is hidden.
      take_block();
      multiply_p_v(begun);
      begun = true;
      pass_turn();
      wgmma_wait<1>();
    }
  }
}

}  // namespace attnjit::kernel
