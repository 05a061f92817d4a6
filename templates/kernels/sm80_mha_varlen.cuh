// Attention over packed variable-length sequences for any SM from 8.0 on: mma.sync, ldmatrix, cp.async.
//
// One CTA owns kBlockM query rows of one head of one sequence, and walks its keys from the last visible block
// to the first in steps of kBlockN. The grid is one-dimensional, one CTA per (sequence, head, m_block up to
// the longest sequence's); CTAs behind a sequence's end leave at once. Each warp owns kBlockM / kWarps of the
// rows: scores, probabilities and output never leave its registers.
//
// Overlap: K and V have one buffer each. V of this block arrives while S = Q K^T is computed, K of the next
// one while O += P V is; a second CTA on the SM fills the gaps. K is fetched only once the scores have become
// probabilities: before that, the addresses of the copy and the float32 scores together exceed 255 registers.
#pragma once

#include "core/epilogue.cuh"
#include "core/mask.cuh"
#include "core/softmax.cuh"
#include "core/tile_copy.cuh"
#include "core/varlen.cuh"
#include "shared/mha_varlen_params.h"
#include "shared/sm80_mha_varlen_config.h"

namespace attnjit::kernel {

template <Sm80MhaVarlenConfig kConfig>
struct Sm80MhaVarlenShared {
  static constexpr int kPitchQk = padded_row(kConfig.head_dim_qk);
  static constexpr int kPitchV = padded_row(kConfig.head_dim_v);
  static constexpr int kPitchOutBytes = kConfig.head_dim_v * bytes_of(kConfig.out_element) + kRowPadBytes;
  struct Tiles {
    u16 q[kConfig.block_m][kPitchQk];
    u16 k[kConfig.block_n][kPitchQk];
    u16 v[kConfig.block_n][kPitchV];
  };
  union {
    Tiles tiles;
    u8 out[kConfig.block_m][kPitchOutBytes];  // after the last product
  };
};

/// One tile of q or k: its nope columns and its pe columns side by side.
template <Sm80MhaVarlenConfig kConfig, int kRows>
ATTNJIT_DEVICE void copy_qk_rows(u32 destination, const u16* nope, i64 nope_stride, const u16* pe,
                                 i64 pe_stride, int valid_rows) {
  constexpr int kPitch = padded_row(kConfig.head_dim_qk);
  constexpr int kNope = kConfig.head_dim_qk - kConfig.rope_dim;
  if constexpr (kNope > 0) {
    copy_rows_async<kRows, kNope, kPitch, threads(kConfig)>(destination, nope, nope_stride, valid_rows);
  }
  if constexpr (kConfig.rope_dim > 0) {
    copy_rows_async<kRows, kConfig.rope_dim, kPitch, threads(kConfig)>(destination + kNope * 2, pe, pe_stride,
                                                                       valid_rows);
  }
}

template <Sm80MhaVarlenConfig kConfig>
ATTNJIT_DEVICE void sm80_mha_varlen(const MhaVarlenParams& params) {
  // ---- shapes
  // ------------------------------------------------------------------------------------------------------
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
  // -----------------------------------------------------------------------------------------------
  using Shared = Sm80MhaVarlenShared<kConfig>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  Shared& shared = dynamic_shared<Shared>();
  const u32 q_tile = shared_address(&shared.tiles.q);
  const u32 k_tile = shared_address(&shared.tiles.k);
  const u32 v_tile = shared_address(&shared.tiles.v);

  // ---- this CTA's tile
  // ---------------------------------------------------------------------------------------------
  const QueryTile tile =
      query_tile<kBlockM>(params.cu_seqlens_q, params.cu_seqlens_k, params.num_heads, params.m_blocks);
  if (tile.m_rows <= 0) return;
  const int kv_head = tile.head / params.heads_per_kv_head;
  const int warp_row = thread_index() / 32 * kRowsPerWarp;

  const CausalMask<kConfig.causal> mask{tile.len_q, tile.len_k};
  const int n_blocks = ceil_div(max_of(0, mask.key_end(tile.m_begin + tile.m_rows - 1)), kBlockN);
  // Blocks before this key need no mask for any row of this warp.
  const int unmasked_end = mask.key_end(tile.m_begin + warp_row);

  // ---- loads
  // -------------------------------------------------------------------------------------------------------
  const auto load_k = [&](int n_block) {
    const int token = tile.k_start + n_block * kBlockN;
    copy_qk_rows<kConfig, kBlockN>(k_tile, row_start(params.k_nope, token, kv_head),
                                   params.k_nope.token_stride, row_start(params.k_pe, token, kv_head),
                                   params.k_pe.token_stride, tile.len_k - n_block * kBlockN);
  };
  const auto load_v = [&](int n_block) {
    copy_rows_async<kBlockN, kConfig.head_dim_v, Shared::kPitchV, threads(kConfig)>(
        v_tile, row_start(params.v, tile.k_start + n_block * kBlockN, kv_head), params.v.token_stride,
        tile.len_k - n_block * kBlockN);
  };
  {
    const int token = tile.q_start + tile.m_begin;
    copy_qk_rows<kConfig, kBlockM>(q_tile, row_start(params.q_nope, token, tile.head),
                                   params.q_nope.token_stride, row_start(params.q_pe, token, tile.head),
                                   params.q_pe.token_stride, tile.m_rows);
    if (n_blocks > 0) load_k(n_blocks - 1);
    cp_async_commit();
  }

  // ---- main loop: last block of keys first, since only the last ones need the mask
  // ------------------------------------
  OnlineSoftmax<kMTiles> softmax(params.softmax_scale_log2);
  float out[kMTiles][kOutTiles][4];
  clear(out);
  for (int n_block = n_blocks - 1; n_block >= 0; --n_block) {
    cp_async_wait<0>();
    sync_block();  // K has landed for every thread, and every warp is done with the V before
    load_v(n_block);
    cp_async_commit();

    float scores[kMTiles][kNTiles][4];
    clear(scores);
    multiply_rows<kConfig.element, kConfig.head_dim_qk, Shared::kPitchQk>(
        scores, q_tile + warp_row * Shared::kPitchQk * 2, k_tile);

    cp_async_wait<0>();
    sync_block();  // V has landed, and every warp is done with this K

    if ((n_block + 1) * kBlockN > unmasked_end)
      mask.apply(scores, tile.m_begin + warp_row, n_block * kBlockN);
    softmax.update(scores, out);
    u32 probabilities[kMTiles][kNTiles / 2][4];
    round_to_fragment<kConfig.element>(probabilities, scores);
    if (n_block > 0) load_k(n_block - 1);
    cp_async_commit();
    multiply_columns<kConfig.element, Shared::kPitchV>(out, probabilities, v_tile);
  }

  // ---- epilogue
  // ----------------------------------------------------------------------------------------------------
  cp_async_wait<0>();
  sync_block();  // the tiles give way to the output
  softmax.finish();
  const AccumulatorPosition at;
  const int first_token = tile.q_start + tile.m_begin + warp_row;
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float normaliser = softmax.normaliser(m, half);
#pragma unroll
      for (int n = 0; n < kOutTiles; ++n) {
        out[m][n][2 * half] *= normaliser;
        out[m][n][2 * half + 1] *= normaliser;
      }
      const int row = at.row(m, half);
      if (params.lse != nullptr && at.lane % 4 == 0 && warp_row + row < tile.m_rows) {
        params.lse[(first_token + row) * params.lse_token_stride + tile.head * params.lse_head_stride] =
            softmax.lse(m, half);
      }
    }
  }
  u8* const out_rows =
      static_cast<u8*>(params.out) +
      (first_token * params.out_token_stride + tile.head * params.out_head_stride) * Output::kBytes;
  store_rows(Output(params.out_scale), out, shared_address(&shared.out[warp_row]), Shared::kPitchOutBytes,
             out_rows, params.out_token_stride * Output::kBytes, tile.m_rows - warp_row);
}

}  // namespace attnjit::kernel
