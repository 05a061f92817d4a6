// Which keys a query row sees. A mask answers two questions: how far a row sees (key_end), so that blocks beyond are
// never visited and blocks before need no test; and the same per element (apply).
#pragma once

#include "core/warp_tile.cuh"

namespace attnjit::kernel {

/// Sets the scores of keys from key_end(row) on to -inf, in a tile whose first key is `first_key`. Selects, never adds:
/// NaN + -inf is NaN.
template <class Mask, int kMTiles, int kNTiles>
ATTNJIT_DEVICE void mask_ends(const Mask& mask, float (&scores)[kMTiles][kNTiles][4], int first_key) {
  const AccumulatorPosition at;
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int end = mask.key_end(at.row(m, half)) - first_key - at.column(0);
#pragma unroll
      for (int n = 0; n < kNTiles; ++n) {
        if (n * 8 >= end) scores[m][n][2 * half] = kMinusInfinity;
        if (n * 8 + 1 >= end) scores[m][n][2 * half + 1] = kMinusInfinity;
      }
    }
  }
}

/// The ragged end of the keys, and the bottom-right aligned causal diagonal: row i of a sequence sees keys j <= i +
/// len_k - len_q. Rows are counted from `first_row`. A main loop has to carry only two integers.
template <bool kCausal>
struct CausalMask {
  int len_k;
  int diagonal;  // the last key that row 0 would see with enough keys

  ATTNJIT_DEVICE CausalMask(int first_row, int len_q, int keys) : len_k(keys), diagonal(first_row + keys - len_q) {}

  /// Counts keys from `key` from now on.
  ATTNJIT_DEVICE void count_from(int key) {
    len_k -= key;
    diagonal -= key;
  }
  /// One past the last key that `row` sees; at most the number of the first key if it sees none.
  ATTNJIT_DEVICE int key_end(int row) const { return kCausal ? min_of(len_k, row + diagonal + 1) : len_k; }

  template <int kMTiles, int kNTiles>
  ATTNJIT_DEVICE void apply(float (&scores)[kMTiles][kNTiles][4], int first_key) const {
    mask_ends(*this, scores, first_key);
  }
};

/// The same for GEMM rows that are (query, head) pairs, and for context-parallel keys: row r is query r / heads, local
/// key j is global key j * world + rank, and query i sees the global keys up to i + total_len - len_q.
template <bool kCausal>
struct GroupedCausalMask {
  int len_k;      // local keys
  int first_row;  // rows are counted from here
  int heads;
  int diagonal;  // total_len - len_q - rank
  int world;

  /// One past the last local key that `row` sees; 0 if it sees none.
  ATTNJIT_DEVICE int key_end(int row) const {
    if constexpr (!kCausal) return len_k;
    const int last = (first_row + row) / heads + diagonal;
    return last < 0 ? 0 : min_of(len_k, last / world + 1);
  }

  template <int kMTiles, int kNTiles>
  ATTNJIT_DEVICE void apply(float (&scores)[kMTiles][kNTiles][4], int first_key) const {
    mask_ends(*this, scores, first_key);
  }
};

}  // namespace attnjit::kernel
