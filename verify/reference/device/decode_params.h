// Parameters of the plain kernels of MLA decode, as include/attnjit/mla_decode.hpp defines them. The CPU loop takes the
// same struct with host pointers.
#pragma once

#include "params.h"

namespace attnjit::reference {

/// How a cache row is stored: 16-bit values; e4m3 times one scale; 656 bytes with their own scales.
enum class CacheRowFormat : int { k16Bit = 0, kE4M3 = 1, k656Bytes = 2 };

/// The widest rows.
inline constexpr int kMaxDecodeColumns = 576;
inline constexpr int kMaxLatentColumns = 512;

/// A tensor [pages, page_size, columns] with contiguous columns.
struct PagedRows {
  const void* data = nullptr;
  i64 page_stride = 0;  // in elements; in bytes for 656-byte rows
  i64 slot_stride = 0;
};

struct DecodeParams {
  Rows q_nope;  // [tokens, H, latent_columns]
  Rows q_pe;    // [tokens, H, rope_columns]
  CacheRowFormat format = CacheRowFormat::k16Bit;
  PagedRows latent;  // [pages, page_size, latent_columns], or 656 bytes
  PagedRows rope;    // [pages, page_size, rope_columns]
  float cache_scale = 1;
  i32 page_size = 1;
  const i32* page_list = nullptr;       // pages of sequence b begin at page_begin[b]
  const i64* page_begin = nullptr;      // [batch]
  const i32* seq_lens = nullptr;        // [batch]
  const i32* total_seq_lens = nullptr;  // [batch]
  const i32* cu_seqlens_q = nullptr;    // [batch + 1]
  i32 batch = 0;
  i32 tokens = 0;  // cu_seqlens_q[batch]
  i32 heads = 0;
  i32 latent_columns = 0;
  i32 rope_columns = 0;
  bool causal = false;
  i32 cp_rank = 0;  // local key j is global key j * cp_world + cp_rank
  i32 cp_world = 1;
  float softmax_scale = 1;

  // Outputs, row-major, as in AttentionParams.
  double* out = nullptr;           // [tokens, heads, latent_columns]
  double* lse = nullptr;           // [tokens, heads]
  double* magnitude = nullptr;     // [tokens, heads]
  float* yardstick_out = nullptr;  // [tokens, heads, latent_columns]
};

/// Copies dense rows of bytes to their destinations.
struct ScatterParams {
  const u8* source = nullptr;  // [rows, row_bytes]
  u8* destination = nullptr;
  const i64* offsets = nullptr;  // [rows], in bytes
  i32 rows = 0;
  i32 row_bytes = 0;
};

}  // namespace attnjit::reference
