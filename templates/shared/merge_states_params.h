// Params of merge_states.
#pragma once

#include "shared/tensor_views.h"

namespace attnjit::kernel {

/// One state: out [T, H, d], and lse [T, H].
struct AttentionState {
  TokenRows out;
  const float* lse;
  i64 lse_token_stride;
  i64 lse_head_stride;
};

struct MergeStatesParams {
  AttentionState first;   // state 0
  AttentionState second;  // state 1, if there are two separate tensors
  i64 out_state_stride;   // else: state n is n times this after state 0, in elements
  i64 lse_state_stride;
  const float* out_scale;  // [1], e4m3 output only

  void* out;  // [T, H, d]; may alias the out of a state
  i64 out_token_stride;
  i64 out_head_stride;
  float* lse;  // [T, H] or null; may alias the lse of a state
  i64 lse_token_stride;
  i64 lse_head_stride;

  i64 rows;        // T * H
  i32 num_heads;   // H
  i32 num_states;  // N
  i32 apart;       // 1: two states, the second one in `second`
};

}  // namespace attnjit::kernel
