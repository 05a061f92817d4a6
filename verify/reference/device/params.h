// Parameters of the tests' plain kernels. One text for host and device; NVRTC gets it in front of the kernels.
#pragma once

#include "shared/types.h"

namespace attnjit::reference {

using kernel::Element;
using kernel::i32;
using kernel::i64;
using kernel::u16;
using kernel::u32;
using kernel::u64;
using kernel::u8;

/// A tensor [tokens, heads, columns] with contiguous columns; strides in elements.
struct Rows {
  const void* data = nullptr;
  i64 token_stride = 0;
  i64 head_stride = 0;
};

/// The widest head the plain kernels take.
inline constexpr int kMaxColumns = 256;

/// Varlen attention, as include/attnjit/mha_varlen.hpp and masked_mha.hpp define it. The CPU loop takes the same struct
/// with host pointers.
struct AttentionParams {
  Rows q_nope;                        // [Tq, H, nope_columns]
  Rows q_pe;                          // [Tq, H, pe_columns]
  Rows k_nope;                        // [Tk, Hk, nope_columns]
  Rows k_pe;                          // [Tk, Hk, pe_columns]
  Rows v;                             // [Tk, Hk, v_columns]
  const i32* cu_seqlens_q = nullptr;  // [batch + 1]
  const i32* cu_seqlens_k = nullptr;  // [batch + 1]
  i32 batch = 0;
  i32 tokens_q = 0;  // cu_seqlens_q[batch]
  i32 heads = 0;
  i32 qhead_per_kvhead = 1;
  i32 nope_columns = 0;
  i32 pe_columns = 0;
  i32 v_columns = 0;
  bool causal = false;
  float softmax_scale = 1;
  // Null, or a further limit on the keys each query sees: key j of its sequence is visible if byte visible[token *
  // visible_stride + j] is not 0.
  const u8* visible = nullptr;
  i64 visible_stride = 0;

  // Outputs, row-major. The float64 reference writes out, lse and magnitude; the low-precision baseline writes
  // yardstick_out.
  double* out = nullptr;           // [tokens_q, heads, v_columns]
  double* lse = nullptr;           // [tokens_q, heads]
  double* magnitude = nullptr;     // [tokens_q, heads]: max over the keys of softmax_scale * sum_d |q_d k_d|
  float* yardstick_out = nullptr;  // [tokens_q, heads, v_columns]: before rounding
};

/// Merging of attention states, as include/attnjit/merge_states.hpp defines it. An lse is a tensor of one column.
struct MergeParams {
  Rows out;         // state 0: [tokens, heads, columns]
  Rows lse;         // state 0: float32 [tokens, heads]
  Rows second_out;  // state 1, if `apart`
  Rows second_lse;
  i64 out_state_stride = 0;  // otherwise the stride between states
  i64 lse_state_stride = 0;
  Element element = Element::kBFloat16;  // of the states' out: 16-bit or float32
  i32 states = 0;
  bool apart = false;
  i32 tokens = 0;
  i32 heads = 0;
  i32 columns = 0;

  // Outputs, row-major.
  double* merged_out = nullptr;    // [tokens, heads, columns]
  double* merged_lse = nullptr;    // [tokens, heads]
  double* magnitude = nullptr;     // [tokens, heads]: max over the states of |lse|
  float* yardstick_out = nullptr;  // [tokens, heads, columns]: before rounding
};

/// What fill_rows writes.
enum class Pattern : int {
  kNormal = 0,       // mean + deviation * randn, different in every element of the buffer
  kSameForAll = 1,   // the same, but equal for all tokens
  kSpikes = 2,       // kNormal, but every period-th token is `spike` in all columns
  kBits = 3,         // `bits`
  kConsecutive = 4,  // 0, 1, 2, ... as bit patterns, in the order [tokens, heads, columns]
};

struct FillParams {
  void* data = nullptr;
  Element element = Element::kBFloat16;  // 16-bit or float32
  i32 tokens = 0;
  i32 heads = 0;
  i32 columns = 0;
  i64 token_stride = 0;
  i64 head_stride = 0;
  Pattern pattern = Pattern::kNormal;
  u64 seed = 0;
  float mean = 0;
  float deviation = 1;
  float spike = 0;
  i32 period = 1;
  u32 bits = 0;
};

/// Copies the valid elements of a strided tensor to a row-major one and replaces them with `poison`.
struct TakeParams {
  void* source = nullptr;
  void* destination = nullptr;  // [tokens, heads, columns]
  i32 element_bytes = 0;        // 1, 2 or 4
  i32 tokens = 0;
  i32 heads = 0;
  i32 columns = 0;
  i64 token_stride = 0;
  i64 head_stride = 0;
  u32 poison = 0;
};

/// Counts the elements of a buffer that are not `pattern`.
struct CountParams {
  const void* data = nullptr;
  i64 elements = 0;
  i32 element_bytes = 0;  // 1, 2 or 4
  u32 pattern = 0;
  u64* result = nullptr;  // [0]: how many, [1]: index of the first one; initialize to {0, ~0}
};

}  // namespace attnjit::reference
