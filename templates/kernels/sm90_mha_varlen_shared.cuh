// Of the Hopper prefill kernel (sm90_mha_varlen.cuh): its shared memory and its barriers.
#pragma once

#include "core/epilogue.cuh"
#include "core/tile_scheduler.cuh"
#include "ptx/mbarrier.cuh"
#include "shared/sm90_mha_varlen_config.h"

namespace attnjit::kernel {

template <bool kFirst, class First, class Second>
struct SelectType {
  using Type = First;
};
template <class First, class Second>
struct SelectType<false, First, Second> {
  using Type = Second;
};

struct KeyBlock {
  i32 index;
  bool is_last;  // of the walk

  /// Under a mask consumers are told which block a buffer of K holds: by one word. Without one they count.
  ATTNJIT_DEVICE i32 packed() const { return index * 2 + (is_last ? 1 : 0); }
  ATTNJIT_DEVICE static KeyBlock unpacked(i32 word) { return {word >> 1, (word & 1) != 0}; }
};

/// Bits of the CTA's rows, beside each buffer of K.
template <Sm90MhaVarlenConfig kConfig>
struct MaskBits {
  alignas(1024) u32 bits[kConfig.stages][kConfig.block_m][kMaskBoxWords];
};
struct NoMaskBits {};

/// The rows of a tile that a warp owns.
struct WarpRows {
  i32 first_token;
  i32 rows;  // that exist; the warp has 16, and any number may be missing
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
struct Sm90MhaVarlenShared : SelectType<kConfig.masked, MaskBits<kConfig>, NoMaskBits>::Type {
  static constexpr bool kShareRows = kConfig.block_m == kConsumerRows;  // consumers own halves of the keys, not rows
  static constexpr int kQTiles = kConfig.block_m / kConsumerRows;
  struct Exchange {
    float columns[kConsumers][kConsumerRows][exchange_pitch(kConfig)];  // for each consumer, what the other has for it
    Float2 states[kConsumers][kConsumerRows];                           // of each consumer: maximum and sum
  };
  struct Staging {
    u8 rows[kConsumers * 4][16][staging_pitch(kConfig)];
  };
  struct Barriers {
    Mbarrier q_full[kConsumers], q_empty[kConsumers];
    Mbarrier k_full[kConfig.stages], k_empty[kConfig.stages];
    Mbarrier v_full[kConfig.stages], v_empty[kConfig.stages];
    Mbarrier tile_full[kTileSlots], tile_empty[kTileSlots];
    Mbarrier tile_wanted;  // the fetcher has come to a tile's last keys: time to claim the next
  };
  alignas(1024) u16 q[kQTiles][qk_slabs(kConfig)][kConsumerRows][kSlabColumns];
  u16 k[kConfig.stages][qk_slabs(kConfig)][kConfig.block_n][kSlabColumns];
  u16 v[kConfig.stages][slabs(kConfig.head_dim_v)][kConfig.block_n][kSlabColumns];
  union {
    Staging out;
    typename SelectType<kShareRows, Exchange, Staging>::Type exchange;
  };
  Barriers barriers;
  WorkTile tiles[kTileSlots];
  WarpRows ended[kConsumers * 4];  // each warp's, of the tile that is to be stored
  i32 blocks[kConfig.stages];      // packed
};

/// Which buffer of a ring is next, and the parity of its phase.
template <int kStages>
struct RingPosition {
  int stage = 0;
  u32 parity = 0;
  ATTNJIT_DEVICE void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
  ATTNJIT_DEVICE RingPosition before() const {
    return {stage == 0 ? kStages - 1 : stage - 1, stage == 0 ? parity ^ 1 : parity};
  }
};

/// Events of the consumers that have a named barrier of their own; 0 is the whole CTA's.
enum NamedBarrier : int { kTurnOfFirst = 1, kTurnOfSecond = 2, kConsumersMeet = 3 };

}  // namespace attnjit::kernel
