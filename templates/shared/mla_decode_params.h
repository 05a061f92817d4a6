// Params of MLA decode, shared by the main kernel and the combine kernel.
#pragma once

#include "shared/tensor_views.h"

namespace attnjit::kernel {

struct MlaDecodeParams {
  // Queries [B, s_q, H, R + P], or packed [Tq, H, R + P], as two column ranges. A joint tensor is two views of one
  // pointer; with P = 0 the second is unused.
  BatchRows<const void*> q_nope;  // R columns
  BatchRows<const void*> q_pe;    // P columns

  // The cache [pages, page, R + P], also as two column ranges. A 656-byte row is one view, of bytes.
  CacheRows latent;
  CacheRows rope;
  const float* cache_scale;  // [1], e4m3 cache with a per-tensor scale; null: 1
  const i32* page_list;      // block_table [B, max_pages], or kv_indices
  const i32* page_begin;     // kv_indptr [B + 1] of kv_indices; null: sequence b begins at b * page_list_stride
  i64 page_list_stride;

  const i32* seq_lens;        // [B]: keys of each sequence, including this call's
  const i32* cu_seqlens_q;    // [B + 1] of a packed batch, or null
  const i32* total_seq_lens;  // [B]: keys over all context-parallel ranks; null: seq_lens
  const float* out_scale;     // [1], e4m3 output only

  // Outputs, shaped like the queries.
  BatchRows<void*> out;   // R columns
  BatchRows<float*> lse;  // no columns; null data: not requested

  // Split-KV workspace. A split (`part`) is the share of the key blocks that one CTA per m_block owns. It can leave two
  // partial results, of sequences that it shares with its neighbours: slot 0 for one that began in an earlier split,
  // slot 1 for one that begins here and continues in the next.
  float* partial_out;  // [parts, m_blocks, 2, kBlockM, R]
  float* partial_lse;  // [parts, m_blocks, 2, kBlockM]
  i32* first_split;    // [B]: the split in which the sequence begins
  i32* last_split;     // [B]: the split in which it ends

  i32 batch;
  i32 num_heads;     // H
  i32 max_seqlen_q;  // s_q, or its upper bound
  i32 block_m;       // kBlockM of the main kernel
  i32 m_blocks;      // m_blocks of a sequence: ceil(s_q * H / kBlockM)
  i32 parts;         // splits into which the key blocks of all sequences are cut
  i32 combine_rows;  // rows per CTA of the combine kernel: 1, 2, 4 or 8
  i32 cp_rank;       // local key j is global key j * cp_world + cp_rank
  i32 cp_world;
  float softmax_scale_log2;  // softmax_scale * log2(e)
};

}  // namespace attnjit::kernel
