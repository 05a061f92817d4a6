// Params of the mha_varlen kernels. One struct for the whole family, so that only the host decides which kernel serves
// a call.
#pragma once

#include "shared/mask_params.h"
#include "shared/tensor_views.h"

namespace attnjit::kernel {

struct MhaVarlenParams {
  // Inputs. q [Tq, H, dqk] and k [Tk, Hk, dqk] come as two column ranges: the first dqk - P columns (nope) and the last
  // P (pe). A joint tensor is two views of one pointer; with P = 0 the second is unused.
  TokenRows q_nope;
  TokenRows q_pe;
  TokenRows k_nope;
  TokenRows k_pe;
  TokenRows v;              // [Tk, Hk, dv]
  const i32* cu_seqlens_q;  // [B + 1]
  const i32* cu_seqlens_k;  // [B + 1]
  const float* out_scale;   // [1], e4m3 output only

  // Masked attention only: which keys each query sees, and the position in its request of a sequence's first key.
  KeyMask<const u32> mask;
  const i32* key_offset;  // [B], or null: 0

  // Outputs.
  void* out;  // [Tq, H, dv]
  i64 out_token_stride;
  i64 out_head_stride;
  float* lse;  // [Tq, H] with any strides, or null
  i64 lse_token_stride;
  i64 lse_head_stride;

  i32 num_heads;             // H
  i32 qhead_per_kvhead;      // H / Hk
  i32 m_blocks;              // query tiles of the longest sequence: ceil(max_seqlen_q / kBlockM)
  float softmax_scale_log2;  // softmax_scale * log2(e)
};

}  // namespace attnjit::kernel
