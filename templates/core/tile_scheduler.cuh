// Persistent tile scheduler: which query tiles a CTA processes, one after another. The grid fills the device once.
//
// Tiles are numbered sequence by sequence; within a sequence by groups of heads; within a group from the last m_block
// (which sees the most keys when causal) to the first, heads fastest. So a group's keys stay in L2 while its tiles are
// processed, and its long tiles are claimed before its short ones. The last group is larger: when only short tiles are
// left, all SMs finish together.
#pragma once

#include "ptx/memory.cuh"
#include "shared/mha_varlen_params.h"
#include "shared/tile_counters.h"

namespace attnjit::kernel {

/// What the scheduler warp publishes about a tile.
struct alignas(16) WorkTile {
  i32 m_begin;  // first row, counted from the sequence's first query; negative: no more tiles
  i32 head;
  i32 q_start;  // token of the sequence's first query
  i32 k_start;  // token of the sequence's first key
  i32 len_q;
  i32 len_k;
  i32 n_blocks;  // key blocks, up to the last one that any row sees
  i32 sequence;
};

/// Maps tile numbers to tiles; the numbers must not decrease. All lanes of one warp take part.
template <int kBlockM>
class TileScheduler {
 public:
  ATTNJIT_DEVICE TileScheduler(const MhaVarlenParams& call, int batch, int head_group, int last_heads)
      : call_(call), batch_(batch), head_group_(head_group), grouped_heads_(call.num_heads - last_heads) {}

  /// Issues the loads of the sequence lengths and does not wait for them. Call first.
  ATTNJIT_DEVICE void load() {
    // One sequence per lane, from sequence_ on. Keys are loaded too, though most lanes do not use them: otherwise their
    // round trip to memory would wait for the one of the queries.
    const int own = sequence_ + thread_index() % 32;
    q_start_ = q_end_ = k_start_ = k_end_ = 0;
    if (own >= batch_) return;
    q_start_ = call_.cu_seqlens_q[own];
    q_end_ = call_.cu_seqlens_q[own + 1];
    k_start_ = call_.cu_seqlens_k[own];
    k_end_ = call_.cu_seqlens_k[own + 1];
  }

  /// Returns false if there is no tile of this number; must not be called again then.
  ATTNJIT_DEVICE bool seek(int number, WorkTile& tile) {
    const int lane = thread_index() % 32;
    // Prefix sums of the tiles of 32 sequences, and the first sequence that ends after `number`.
    for (;;) {
      const int len_q = q_end_ - q_start_;
      const int tiles = ceil_div(len_q, kBlockM) * call_.num_heads;
      int sum = tiles;
#pragma unroll
      for (int distance = 1; distance < 32; distance *= 2) {
        const int below = shuffle_up(sum, distance);
        if (lane >= distance) sum += below;
      }
      const u32 behind = ballot(first_tile_ + sum > number);
      if (behind != 0) {
        const int found = lowest_bit(behind);
        tile.sequence = sequence_ + found;
        tile.q_start = shuffle_from(q_start_, found);
        tile.k_start = shuffle_from(k_start_, found);
        tile.len_q = shuffle_from(len_q, found);
        tile.len_k = shuffle_from(k_end_ - k_start_, found);
        place(tile, number - first_tile_ - shuffle_from(sum - tiles, found));
        return true;
      }
      sequence_ += 32;
      first_tile_ += shuffle_from(sum, 31);
      if (sequence_ >= batch_) return false;
      load();
    }
  }

  /// Total number of tiles, once seek() has returned false.
  ATTNJIT_DEVICE int tiles() const { return first_tile_; }

 private:
  /// For non-negative numbers: half as many instructions as a signed division.
  ATTNJIT_DEVICE static int quotient(int a, int b) {
    return static_cast<int>(static_cast<u32>(a) / static_cast<u32>(b));
  }
  /// Sets the head and the rows of tile `index` of its sequence.
  ATTNJIT_DEVICE void place(WorkTile& tile, int index) const {
    const int m_blocks = ceil_div(tile.len_q, kBlockM);
    const bool last = index >= grouped_heads_ * m_blocks;
    const int first_head = last ? grouped_heads_ : quotient(index, head_group_ * m_blocks) * head_group_;
    const int heads = last ? call_.num_heads - grouped_heads_ : min_of(head_group_, grouped_heads_ - first_head);
    const int within = index - first_head * m_blocks;
    const int above = quotient(within, heads);
    tile.head = first_head + within - above * heads;
    tile.m_begin = (m_blocks - 1 - above) * kBlockM;
  }

  const MhaVarlenParams& call_;
  int batch_;
  int head_group_;
  int grouped_heads_;   // heads before the last group
  int sequence_ = 0;    // the first of the 32 sequences that are loaded
  int first_tile_ = 0;  // number of its first tile
  int q_start_, q_end_, k_start_, k_end_;
};

}  // namespace attnjit::kernel
