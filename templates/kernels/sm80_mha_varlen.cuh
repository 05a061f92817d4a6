// Varlen attention for any SM from 8.0 on: mma.sync, ldmatrix, cp.async.
//
// One CTA owns kBlockM query rows of one head of one sequence. It walks their keys in steps of kBlockN, from the first
// block to the last visible one. The grid is one-dimensional, one CTA per (sequence, head, m_block), sized for the
// longest sequence; CTAs past the end of their sequence exit at once. Each warp owns kBlockM / kWarps rows and keeps
// scores, probabilities and output in registers.
//
// Overlap: K and V have one buffer each. V of this block loads during S = Q K^T, K of the next block during O += P V; a
// second CTA on the SM fills the gaps. The K load is issued only after the scores have become probabilities: before
// that, its addresses and the float32 scores together exceed 255 registers.
#pragma once

#include "core/epilogue.cuh"
#include "core/key_mask.cuh"
#include "core/mask.cuh"
#include "core/softmax.cuh"
#include "core/tile_copy.cuh"
#include "core/varlen.cuh"
#include "shared/mha_varlen_params.h"
#include "shared/sm80_mha_varlen_config.h"

namespace attnjit::kernel {

/// Mask bits of one key block, if there is a mask.
template <bool kMasked, int kRows>
struct SelectMaskTile {
  MaskWords mask[kRows];
};
template <int kRows>
struct SelectMaskTile<false, kRows> {};

template <Sm80MhaVarlenConfig kConfig>
struct Sm80MhaVarlenShared {
  static constexpr int kPitchQk = padded_row(kConfig.head_dim_qk);
  static constexpr int kPitchV = padded_row(kConfig.head_dim_v);
  static constexpr int kPitchOutBytes = kConfig.head_dim_v * bytes_of(kConfig.out_element) + kRowPadBytes;
  struct Tiles : SelectMaskTile<kConfig.masked, kConfig.block_m> {
    u16 q[kConfig.block_m][kPitchQk];
    u16 k[kConfig.block_n][kPitchQk];
    u16 v[kConfig.block_n][kPitchV];
  };
  union {
    Tiles tiles;
    u8 out[kConfig.block_m][kPitchOutBytes];  // after the last P V
  };
};

/// Loads tiles of q or k: nope and pe columns, from two tensors, side by side.
template <Sm80MhaVarlenConfig kConfig, int kRows>
struct QkTileCopy {
  static constexpr int kPitch = padded_row(kConfig.head_dim_qk);
  static constexpr int kNope = kConfig.head_dim_qk - kConfig.rope_dim;
  TileCopy<kRows, kNope, kPitch, threads(kConfig)> nope;
  TileCopy<kRows, kConfig.rope_dim, kPitch, threads(kConfig)> pe;

  ATTNJIT_DEVICE QkTileCopy(const TokenRows& nope_rows, const TokenRows& pe_rows, i64 token, int head, u32 destination)
      : nope(nope_rows, token, head, destination), pe(pe_rows, token, head, destination + kNope * 2) {}
  ATTNJIT_DEVICE void issue(int valid_rows) const {
    nope.issue(valid_rows);
    pe.issue(valid_rows);
  }
  ATTNJIT_DEVICE void advance(int tokens) {
    nope.advance(tokens);
    pe.advance(tokens);
  }
};

/// The bitmask's part in the main loop. Without a mask it does nothing.
template <Sm80MhaVarlenConfig kConfig, bool kMasked = kConfig.masked>
struct BlockMask {
  static constexpr int offset = 0;
  ATTNJIT_DEVICE BlockMask(const MhaVarlenParams&, const QueryTile&, Sm80MhaVarlenShared<kConfig>&) {}
  ATTNJIT_DEVICE void fetch(int) const {}
  template <class Scores>
  ATTNJIT_DEVICE void apply(Scores&, int) const {}
};

template <Sm80MhaVarlenConfig kConfig>
struct BlockMask<kConfig, true> {
  int offset;  // position in its request of the sequence's first key
  u32 words;
  MaskWordsCopy<kConfig.block_m, kConfig.block_n> copy;

  ATTNJIT_DEVICE BlockMask(const MhaVarlenParams& call, const QueryTile& query_tile,
                           Sm80MhaVarlenShared<kConfig>& shared)
      : offset(key_offset<true>(call, query_tile.batch)),
        words(shared_address(&shared.tiles.mask)),
        copy(call.mask, query_tile.q_start + query_tile.m_begin, query_tile.m_rows, offset, words) {
    static_assert(sizeof(MaskWords) == kMaskRowBytes && threads(kConfig) >= kConfig.block_m);
  }
  /// Issues the copy of the mask bits of the block that begins at `first_key`.
  ATTNJIT_DEVICE void fetch(int first_key) const { copy.issue(first_key); }
  template <class Scores>
  ATTNJIT_DEVICE void apply(Scores& scores, int warp_row) const {
    mask_bits(scores, words + warp_row * kMaskRowBytes, offset);
  }
};

template <Sm80MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm80_mha_varlen(const MhaVarlenParams& params) {
  // ---- shapes
  constexpr int kBlockM = kConfig.block_m;
  constexpr int kBlockN = kConfig.block_n;
  constexpr int kRowsPerWarp = kBlockM / kConfig.warps;
  constexpr int kMTiles = kRowsPerWarp / 16;
  constexpr int kNTiles = kBlockN / 8;
  constexpr int kOutTiles = kConfig.head_dim_v / 8;
  static_assert(kRowsPerWarp * kConfig.warps == kBlockM && kMTiles * 16 == kRowsPerWarp && kBlockN % 16 == 0);
  static_assert(kConfig.head_dim_qk % 16 == 0 && kConfig.head_dim_v % 16 == 0 && kConfig.rope_dim % 16 == 0);
  using Output = typename SelectOutput<kConfig.out_element, kConfig.e4m3_cvt>::Type;

  // ---- shared memory
  using Shared = Sm80MhaVarlenShared<kConfig>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  Shared& shared = dynamic_shared<Shared>();
  const u32 q_tile = shared_address(&shared.tiles.q);
  const u32 k_tile = shared_address(&shared.tiles.k);
  const u32 v_tile = shared_address(&shared.tiles.v);

  // ---- this CTA's tile
  const auto this_tile = [&] {
    return query_tile<kBlockM>(params.cu_seqlens_q, params.cu_seqlens_k, params.num_heads, params.m_blocks);
  };
  const QueryTile tile = this_tile();
  if (tile.m_rows <= 0) return;
  const int kv_head = tile.head / params.qhead_per_kvhead;
  const int warp_row = thread_index() / 32 * kRowsPerWarp;

  using Mask = CausalMask<kConfig.causal>;
  const auto blocks_of = [](const QueryTile& of) {
    const int key_end = Mask(of.m_begin, of.len_q, of.len_k).key_end(of.m_rows - 1);
    return ceil_div(max_of(0, key_end), kBlockN);
  };
  const Mask mask(tile.m_begin + warp_row, tile.len_q, tile.len_k);
  const BlockMask<kConfig> block_mask(params, tile, shared);
  const auto mask_rows = [&] {  // recomputed rather than kept, as in the epilogue
    const QueryTile again = this_tile();
    return MaskTileRows(again.batch, again.q_start, again.m_begin, again.m_rows, blocks_of(again));
  };
  auto blocks = key_blocks<kConfig.masked, kBlockN>(params.mask, mask_rows, block_mask.offset, blocks_of(tile));
  const int first_block = blocks.first();

  // ---- loads
  QkTileCopy<kConfig, kBlockM>(params.q_nope, params.q_pe, tile.q_start + tile.m_begin, tile.head, q_tile)
      .issue(tile.m_rows);
  const int first_key_token = tile.k_start + first_block * kBlockN;
  QkTileCopy<kConfig, kBlockN> k_copy(params.k_nope, params.k_pe, first_key_token, kv_head, k_tile);
  TileCopy<kBlockN, kConfig.head_dim_v, Shared::kPitchV, threads(kConfig)> v_copy(params.v, first_key_token, kv_head,
                                                                                  v_tile);
  if (first_block >= 0) k_copy.issue(tile.len_k - first_block * kBlockN);
  cp_async_commit();

  // ---- main loop
  OnlineSoftmax<kMTiles, kConfig.element> softmax(params.softmax_scale_log2);
  float out[kMTiles][kOutTiles][4];
  clear(out);
  for (int n_block = first_block, next_block; n_block >= 0; n_block = next_block) {
    next_block = blocks.after(n_block);
    cp_async_wait<0>();
    sync_block();  // K has landed for every thread, and every warp is done with the previous V
    v_copy.issue(tile.len_k - n_block * kBlockN);
    v_copy.advance((next_block - n_block) * kBlockN);
    block_mask.fetch(n_block * kBlockN);
    cp_async_commit();

    float scores[kMTiles][kNTiles][4];
    clear(scores);
    gemm_nt<kConfig.element, kConfig.head_dim_qk, Shared::kPitchQk>(scores, q_tile + warp_row * Shared::kPitchQk * 2,
                                                                    k_tile);

    cp_async_wait<0>();
    sync_block();  // V has landed, and every warp is done with this K

    // Blocks that end before the first row's last key are fully visible to every row and need no mask.
    if ((n_block + 1) * kBlockN > mask.key_end(0)) mask.apply(scores, n_block * kBlockN);
    block_mask.apply(scores, warp_row);
    float rescale[kMTiles][2];
    softmax.update(scores, rescale);
    scale_rows(out, rescale);
    u32 probabilities[kMTiles][kNTiles / 2][4];
    round_to_fragment<kConfig.element>(probabilities, scores);
    k_copy.advance((next_block - n_block) * kBlockN);
    if (next_block >= 0) k_copy.issue(tile.len_k - next_block * kBlockN);
    cp_async_commit();
    gemm_nn<kConfig.element, Shared::kPitchV>(out, probabilities, v_tile);
  }

  // ---- epilogue
  cp_async_wait<0>();
  sync_block();  // the output reuses the memory of the tiles
  softmax.finalize();
  // Recomputed rather than kept: the main loop has no registers to spare for it.
  const QueryTile rows = this_tile();
  const AccumulatorPosition at;
  const int first_token = rows.q_start + rows.m_begin + warp_row;
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float inv_row_sum = softmax.inv_row_sum(m, half);
#pragma unroll
      for (int n = 0; n < kOutTiles; ++n) {
        out[m][n][2 * half] *= inv_row_sum;
        out[m][n][2 * half + 1] *= inv_row_sum;
      }
      const int row = at.row(m, half);
      if (params.lse != nullptr && at.lane % 4 == 0 && warp_row + row < rows.m_rows) {
        params.lse[(first_token + row) * params.lse_token_stride + rows.head * params.lse_head_stride] =
            softmax.lse(m, half);
      }
    }
  }
  const StridedRows out_rows{
      static_cast<u8*>(params.out) +
          (first_token * params.out_token_stride + rows.head * params.out_head_stride) * Output::kBytes,
      params.out_token_stride * Output::kBytes};
  store_rows<RowStaging{.tiles = kOutTiles}>(Output(params.out_scale), out, shared_address(&shared.out[warp_row]),
                                             Shared::kPitchOutBytes, out_rows, rows.m_rows - warp_row);
}

}  // namespace attnjit::kernel
