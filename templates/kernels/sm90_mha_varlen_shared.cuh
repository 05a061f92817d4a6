// Shared memory and barriers of the Hopper prefill kernel (sm90_mha_varlen.cuh).
#pragma once

#include "core/epilogue.cuh"
#include "core/pipeline.cuh"
#include "core/tile_scheduler.cuh"
#include "ptx/mbarrier.cuh"
#include "shared/conditional.h"
#include "shared/sm90_mha_varlen_config.h"

namespace attnjit::kernel {

struct KeyBlock {
  i32 index;
  bool is_last;  // the last block that the tile visits

  /// Under a mask the producer publishes the index of the block in each K stage, packed into one word. Without a mask
  /// consumers count.
  ATTNJIT_DEVICE i32 packed() const { return index * 2 + (is_last ? 1 : 0); }
  ATTNJIT_DEVICE static KeyBlock unpacked(i32 word) { return {word >> 1, (word & 1) != 0}; }
};

/// Mask bits of the CTA's rows, one buffer per K stage.
template <Sm90MhaVarlenConfig kConfig>
struct MaskBits {
  alignas(1024) u32 bits[kConfig.stages][kConfig.block_m][kMaskBoxWords];
};

/// The rows of a tile that one warp owns.
struct WarpRows {
  i32 first_token;
  i32 rows;  // rows that exist: the warp has 16, and any number may be missing
  i32 head;

  template <int kBytes>
  ATTNJIT_DEVICE StridedRows out(const MhaVarlenParams& call, int first_column) const {
    return {static_cast<u8*>(call.out) +
                (first_token * call.out_token_stride + head * call.out_head_stride + first_column) * kBytes,
            call.out_token_stride * kBytes};
  }
  ATTNJIT_DEVICE void store_lse(const MhaVarlenParams& call, int row, float value) const {
    if (call.lse == nullptr || row >= rows) return;
    call.lse[(first_token + row) * call.lse_token_stride + head * call.lse_head_stride] = value;
  }
};

template <Sm90MhaVarlenConfig kConfig>
struct Sm90MhaVarlenShared : Conditional<kConfig.masked, MaskBits<kConfig>, Absent> {
  static constexpr bool kShareRows = kConfig.block_m == kConsumerRows;  // consumers split keys, not rows
  static constexpr int kQTiles = kConfig.block_m / kConsumerRows;
  struct Exchange {
    float columns[kConsumers][kConsumerRows][exchange_pitch(kConfig)];  // [c]: what the other consumer has for c
    Float2 states[kConsumers][kConsumerRows];                           // of each consumer: row_max and row_sum
  };
  struct Staging {
    u8 rows[kConsumers * 4][16][staging_pitch(kConfig)];
  };
  struct Barriers {
    Mbarrier q_full[kConsumers], q_empty[kConsumers];
    Mbarrier k_full[kConfig.stages], k_empty[kConfig.stages];
    Mbarrier v_full[kConfig.stages], v_empty[kConfig.stages];
    Mbarrier tile_full[kTileSlots], tile_empty[kTileSlots];
    Mbarrier claim_next;  // the load warp has reached a tile's last keys: claim the next tile
  };
  alignas(1024) u16 q[kQTiles][qk_slabs(kConfig)][kConsumerRows][kSlabColumns];
  u16 k[kConfig.stages][qk_slabs(kConfig)][kConfig.block_n][kSlabColumns];
  u16 v[kConfig.stages][slabs(kConfig.head_dim_v)][kConfig.block_n][kSlabColumns];
  union {
    Staging out;
    Conditional<kShareRows, Exchange, Staging> exchange;
  };
  Barriers barriers;
  WorkTile tiles[kTileSlots];
  WarpRows open_rows[kConsumers * 4];  // of each warp, in the tile about to be stored
  i32 blocks[kConfig.stages];          // KeyBlock::packed()
};

/// Named barriers of the consumers; barrier 0 is the whole CTA's.
enum NamedBarrier : int { kWarpSchedulerWG1 = 1, kWarpSchedulerWG2 = 2, kConsumerSync = 3 };

}  // namespace attnjit::kernel
