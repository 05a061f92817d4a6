// Absorbed MLA decode over a paged latent cache, for any SM from 8.0 on: mma.sync, ldmatrix, cp.async.
//
// All heads share one key per token, and its first R columns are also the value. So the GEMM rows are (query, head)
// pairs: row r is query r / H, head r % H. One CTA owns kBlockM of these rows (an m_block) and one split, a contiguous
// share of the key blocks of all sequences (`part`, core/split_schedule.cuh). The grid is one-dimensional, m_block
// fastest, so that CTAs that read the same keys run side by side and share them in L2. A sequence that lies within one
// split is finalized here; partial results of the others go to the workspace, and sm80_mla_combine combines them.
//
// Four column warps share a tile of keys. Each multiplies a quarter of the columns of Q and K; the warps add up their
// partial scores through shared memory; each then computes the softmax of its rows itself and multiplies P by a quarter
// of V's columns. So a tile is read once from device memory and nearly once from shared memory, whose bandwidth is the
// limit (if the warps split the keys instead of the columns, every warp reads Q again for every tile: 18 % slower with
// the cache in L2). And the output fits in registers, kBlockM x 128 columns per warp. The price is that the
// exponentials are computed four times; with few queries per sequence there is time for that.
#pragma once

#include "core/cache_format.cuh"
#include "core/epilogue.cuh"
#include "core/mask.cuh"
#include "core/paged_rows.cuh"
#include "core/softmax.cuh"
#include "core/split_schedule.cuh"
#include "shared/mla_decode_params.h"
#include "shared/sm80_mla_decode_config.h"

namespace attnjit::kernel {

/// The tile of keys converted to 16 bits, for caches stored in another format.
template <bool kConverted, int kRows, int kPitch>
struct ConvertedTile {
  u16 converted[kRows][kPitch];
};
template <int kRows, int kPitch>
struct ConvertedTile<false, kRows, kPitch> {};

template <Sm80MlaDecodeConfig kConfig>
struct Sm80MlaDecodeShared {
  static constexpr bool kConverted = kConfig.cache != CacheFormat::kSame;
  static constexpr int kPitch = padded_row(kConfig.latent_dim + kConfig.rope_dim);
  static constexpr int kStoredPitch =
      kConverted ? stored_pitch(latent_row_bytes(cache_row(kConfig)) + rope_row_bytes(cache_row(kConfig)))
                 : kPitch * 2;  // bytes
  static constexpr int kPitchOutBytes =
      kConfig.latent_dim / kColumnWarps * bytes_of(kConfig.out_element) + kRowPadBytes;
  static constexpr int kScorePitch = score_pitch(kConfig.block_n);
  struct Work : ConvertedTile<kConverted, kConfig.block_n, kPitch> {
    u8 stages[kConfig.stages][kConfig.block_n][kStoredPitch];
    float scores[kColumnWarps][kConfig.block_m][kScorePitch];  // partial sums of each warp
  };
  u16 q[kConfig.block_m][kPitch];
  union {
    Work work;
    u8 out[kColumnWarps][kConfig.block_m][kPitchOutBytes];  // after the last P V of a sequence
  };
};

/// The rows of an m_block of one sequence: maps each row to its query and head. Rebuilt from a few loads where needed
/// rather than kept: the main loop has no registers to spare for it.
struct DecodeRows {
  int heads;
  int first;        // row 0 of the m_block, counted over the sequence's (query, head) rows
  int count;        // rows that exist from `first` on
  int len_q;        // queries of the sequence
  i64 batch;        // for addresses: the sequence, or 0 in a packed batch
  i64 first_query;  // for addresses: 0, or the sequence's first token in a packed batch

  ATTNJIT_DEVICE DecodeRows(const MlaDecodeParams& params, int sequence, int first_row)
      : heads(params.num_heads), first(first_row) {
    const bool packed = params.cu_seqlens_q != nullptr;
    batch = packed ? 0 : sequence;
    first_query = packed ? params.cu_seqlens_q[sequence] : 0;
    len_q = packed ? params.cu_seqlens_q[sequence + 1] - static_cast<int>(first_query) : params.max_seqlen_q;
    count = len_q * heads - first;
  }

  template <class Pointer>
  ATTNJIT_DEVICE i64 offset(const BatchRows<Pointer>& tensor, int row) const {
    const int query = (first + row) / heads;
    const int head = (first + row) % heads;
    return batch * tensor.batch_stride + (first_query + query) * tensor.query_stride + head * tensor.head_stride;
  }

  /// Mask of the rows from `row` on.
  template <bool kCausal>
  ATTNJIT_DEVICE GroupedCausalMask<kCausal> mask(const MlaDecodeParams& params, int sequence, int row) const {
    const int len_k = params.seq_lens[sequence];
    const int total_len = params.total_seq_lens != nullptr ? params.total_seq_lens[sequence] : len_k;
    return {len_k, first + row, heads, total_len - len_q - params.cp_rank, params.cp_world};
  }
};

/// Reduces the partial scores over the column warps: each stores its own at `tile` [kColumnWarps, kRows, kPitch] and
/// loads the sum of all. Contains one CTA barrier; the caller must place another one before the next exchange.
template <int kRows, int kPitch, int kMTiles, int kNTiles>
ATTNJIT_DEVICE void exchange_sums(float (&scores)[kMTiles][kNTiles][4], u32 tile, int column_warp, int warp_row) {
  const AccumulatorPosition at;
  const auto address = [&](int warp, int m, int half, int n) {
    return tile + ((warp * kRows + warp_row + at.row(m, half)) * kPitch + at.column(n)) * 4;
  };
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int n = 0; n < kNTiles; ++n) {
        store_shared(address(column_warp, m, half, n), Float2{scores[m][n][2 * half], scores[m][n][2 * half + 1]});
      }
    }
  }
  sync_block();
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int n = 0; n < kNTiles; ++n) {
        Float2 sum = load_shared_float2(address(0, m, half, n));
#pragma unroll
        for (int warp = 1; warp < kColumnWarps; ++warp) {
          const Float2 more = load_shared_float2(address(warp, m, half, n));
          sum.x += more.x;
          sum.y += more.y;
        }
        scores[m][n][2 * half] = sum.x;
        scores[m][n][2 * half + 1] = sum.y;
      }
    }
  }
}

template <Sm80MlaDecodeConfig kConfig>
ATTNJIT_DEVICE void sm80_mla_decode(const MlaDecodeParams& params) {
  // ---- shapes
  constexpr int kBlockM = kConfig.block_m;
  constexpr int kBlockN = kConfig.block_n;
  constexpr int kThreads = threads(kConfig);
  constexpr int kColumns = kConfig.latent_dim + kConfig.rope_dim;
  constexpr int kRowsPerWarp = kBlockM / (kConfig.warps / kColumnWarps);
  constexpr int kMTiles = kRowsPerWarp / 16;
  constexpr int kSteps = ceil_div(kColumns / 16, kColumnWarps);  // k16 steps of S per warp
  constexpr int kNTiles = kBlockN / 8;
  constexpr int kOutColumns = kConfig.latent_dim / kColumnWarps;
  static_assert(kMTiles * 16 * (kConfig.warps / kColumnWarps) == kBlockM && kBlockN % 16 == 0);
  static_assert(kColumns % 16 == 0 && kOutColumns % 16 == 0);
  using Output = typename SelectOutput<kConfig.out_element, kConfig.e4m3_cvt>::Type;

  // ---- shared memory
  using Shared = Sm80MlaDecodeShared<kConfig>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  Shared& shared = dynamic_shared<Shared>();
  constexpr int kPitch = Shared::kPitch;
  const u32 q_tile = shared_address(&shared.q);
  const u32 stages = shared_address(&shared.work.stages);
  const u32 scores_tile = shared_address(&shared.work.scores);
  constexpr u32 kStageBytes = sizeof(shared.work.stages[0]);

  // ---- this CTA and this warp
  if constexpr (kConfig.dependent_launch) launch_dependents();
  const auto m_block = [&] { return static_cast<int>(block_index() % static_cast<u32>(params.m_blocks)); };
  const auto part = [&] { return static_cast<int>(block_index() / static_cast<u32>(params.m_blocks)); };
  const int warp_row = thread_index() / 32 / kColumnWarps * kRowsPerWarp;
  const int column_warp = thread_index() / 32 % kColumnWarps;
  const auto cache_scale = [&] {
    return kConfig.cache == CacheFormat::kE4M3 && params.cache_scale != nullptr ? *params.cache_scale : 1.f;
  };

  const SplitRange<kBlockN> share(params.seq_lens, params.batch, part(), params.parts);
  int next = share.begin;
  int sequence_begin = share.sequence_begin;
  for (int sequence = share.sequence; next < share.end; ++sequence) {
    // ---- the key blocks of this sequence that belong to this split
    const int len_k = params.seq_lens[sequence];
    const int sequence_blocks = key_blocks<kBlockN>(len_k);
    const int n_begin = next - sequence_begin;
    const int n_end = min_of(sequence_blocks, share.end - sequence_begin);
    const bool whole = n_begin == 0 && n_end == sequence_blocks;
    next = sequence_begin + n_end;
    sequence_begin += sequence_blocks;
    if (n_begin == 0 && thread_index() == 0 && m_block() == 0) {  // publishes where the partials are
      params.first_split[sequence] = part();
      params.last_split[sequence] = (sequence_begin - 1) / share.share;
    }
    const DecodeRows rows(params, sequence, m_block() * kBlockM);
    if (rows.count <= 0) continue;
    const int first_key_end = rows.template mask<kConfig.causal>(params, sequence, warp_row).key_end(0);

    // ---- loads: Q, and the first tile of keys
    sync_block();  // every warp is done with the previous sequence
    {
      constexpr int kLanes = 8;
      const int lane = thread_index() % kLanes;
#pragma unroll 1
      for (int row = thread_index() / kLanes; row < kBlockM; row += kThreads / kLanes) {
        const bool valid = row < rows.count;
        const int from = valid ? row : 0;
        const u32 to = q_tile + row * kPitch * 2 + lane * 16;
        copy_row<kConfig.latent_dim / 8, kLanes>(
            to, static_cast<const u16*>(params.q_nope.data) + rows.offset(params.q_nope, from) + lane * 8, lane, valid);
        if constexpr (kConfig.rope_dim > 0) {
          copy_row<kConfig.rope_dim / 8, kLanes>(
              to + kConfig.latent_dim * 2,
              static_cast<const u16*>(params.q_pe.data) + rows.offset(params.q_pe, from) + lane * 8, lane, valid);
        }
      }
    }
    const i32* const page_list =
        params.page_list + (params.page_begin != nullptr ? static_cast<i64>(params.page_begin[sequence])
                                                         : sequence * params.page_list_stride);
    PagedTileCopy<kBlockN, latent_row_bytes(cache_row(kConfig)), rope_row_bytes(cache_row(kConfig)),
                  Shared::kStoredPitch, kConfig.page_size, Shared::kConverted ? 1 : 2, kThreads>
        copy(params.latent, params.rope, page_list, len_k);
    // With a converted cache, a stage is free as soon as its tile is converted; otherwise one tile later, after the
    // GEMMs.
    constexpr int kAhead = Shared::kConverted ? kConfig.stages : kConfig.stages - 1;
    int to_issue = n_begin;  // the next tile whose copy is issued
    int free_stage = 0;      // where it goes
    copy.look_up(to_issue * kBlockN);
    const auto issue_next = [&] {
      if (to_issue < n_end) {
        copy.issue(stages + free_stage * kStageBytes);
        copy.look_up(++to_issue * kBlockN);
      }
      free_stage = free_stage + 1 == kConfig.stages ? 0 : free_stage + 1;
      cp_async_commit();
    };
#pragma unroll
    for (int i = 0; i < kAhead; ++i) issue_next();

    // ---- Q's columns of this warp: kept in registers if the warp has few rows
    const int first_step = column_warp * kSteps;
    // If the number of steps is not a multiple of four, the last warp has fewer.
    const auto exists = [&](int step) {
      return kColumns / 16 % kColumnWarps == 0 || first_step + step < kColumns / 16;
    };
    const u32 q_at = q_tile + (warp_row * kPitch + first_step * 16) * 2;
    const auto load_q = [&](u32(&q)[kMTiles][4], int step) {
#pragma unroll
      for (int m = 0; m < kMTiles; ++m) load_fragment<kPitch>(q[m], q_at + (m * 16 * kPitch + step * 16) * 2);
    };
    constexpr bool kKeepQ = kMTiles == 1;
    u32 kept_q[kKeepQ ? kSteps : 1][kMTiles][4];
    if constexpr (kKeepQ) {
      cp_async_wait<kAhead - 1>();
      sync_block();  // Q has landed: it is in the oldest group
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        if (exists(step)) load_q(kept_q[step], step);
      }
    }

    // ---- main loop
    OnlineSoftmax<kMTiles, kConfig.element> softmax(params.softmax_scale_log2 * cache_scale());
    float out[kMTiles][kOutColumns / 8][4];
    clear(out);
    int stage = 0;
#pragma unroll 1
    for (int n_block = n_begin; n_block < n_end; ++n_block) {
      cp_async_wait<kAhead - 1>();
      sync_block();  // the tile has landed for every thread, and every warp is done with the previous one
      u32 tile = stages + stage * kStageBytes;
      stage = stage + 1 == kConfig.stages ? 0 : stage + 1;
      if constexpr (Shared::kConverted) {
        const u32 converted = shared_address(&shared.work.converted);
        convert_tile<kConfig, kBlockN, Shared::kStoredPitch, kPitch * 2, kThreads>(converted, tile);
        tile = converted;
        sync_block();  // for every warp: the tile is converted and its stage free
      }
      issue_next();

      // S over this warp's columns, then summed over all warps
      float scores[kMTiles][kNTiles][4];
      clear(scores);
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        if (!exists(step)) break;
        const u32 k_at = tile + (first_step + step) * 16 * 2;
        if constexpr (kKeepQ) {
          multiply_step<kConfig.element, kPitch>(scores, kept_q[step], k_at);
        } else {
          u32 q[kMTiles][4];
          load_q(q, step);
          multiply_step<kConfig.element, kPitch>(scores, q, k_at);
        }
      }
      exchange_sums<kBlockM, Shared::kScorePitch>(scores, scores_tile, column_warp, warp_row);

      if ((n_block + 1) * kBlockN > first_key_end) {
        DecodeRows(params, sequence, m_block() * kBlockM)
            .template mask<kConfig.causal>(params, sequence, warp_row)
            .apply(scores, n_block * kBlockN);
      }
      float rescale[kMTiles][2];
      softmax.update(scores, rescale);
      scale_rows(out, rescale);
      u32 probabilities[kMTiles][kNTiles / 2][4];
      round_to_fragment<kConfig.element>(probabilities, scores);
      gemm_nn<kConfig.element, kPitch>(out, probabilities, tile + column_warp * kOutColumns * 2);
    }

    // ---- epilogue: no copy is in flight, since the last tile was waited for
    sync_block();  // the output reuses the memory of tiles and scores
    softmax.finalize();
    const int thread = reread_thread_index();
    const AccumulatorPosition out_at{thread % 32};
    const int out_row = thread / 32 / kColumnWarps * kRowsPerWarp;
    const int out_column = thread / 32 % kColumnWarps * kOutColumns;
    const DecodeRows out_rows(params, sequence, m_block() * kBlockM);
    const i64 slot = static_cast<i64>(block_index()) * 2 + (n_begin == 0 ? 1 : 0);
    // Tested once: as a test per row, the compiler would hoist it out of the loop over tiles and keep it in registers.
    const int lse_rows = params.lse.data != nullptr ? out_rows.count : 0;
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = out_row + out_at.row(m, half);
        const float inv_row_sum = softmax.inv_row_sum(m, half) * cache_scale();
#pragma unroll
        for (int n = 0; n < kOutColumns / 8; ++n) {
          out[m][n][2 * half] *= inv_row_sum;
          out[m][n][2 * half + 1] *= inv_row_sum;
          if (!whole && row < out_rows.count) {
            store_global(
                params.partial_out + (slot * kBlockM + row) * kConfig.latent_dim + out_column + out_at.column(n),
                Float2{out[m][n][2 * half], out[m][n][2 * half + 1]});
          }
        }
        if (out_column == 0 && out_at.lane % 4 == 0 && row < (whole ? lse_rows : out_rows.count)) {
          float* const lse =
              whole ? params.lse.data + out_rows.offset(params.lse, row) : params.partial_lse + slot * kBlockM + row;
          *lse = softmax.lse(m, half);
        }
      }
    }
    if (whole) {
      const auto row_address = [&](int row) {
        return static_cast<u8*>(params.out.data) +
               (out_rows.offset(params.out, out_row + row) + out_column) * Output::kBytes;
      };
      store_rows<RowStaging{.tiles = kOutColumns / 8}>(Output(params.out_scale), out,
                                                       shared_address(&shared.out[out_column / kOutColumns][out_row]),
                                                       Shared::kPitchOutBytes, row_address, out_rows.count - out_row);
    }
  }
}

}  // namespace attnjit::kernel
