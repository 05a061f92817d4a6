// Which query tile a CTA owns, and where its sequence lies in the packed tensors.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

/// One query tile (m_block): rows [m_begin, m_begin + m_rows) of sequence `batch`, for one head.
struct QueryTile {
  int batch;
  int head;
  int m_begin;  // first row, counted from the sequence's first query
  int m_rows;   // rows of the tile that exist; <= 0: the tile is past the end of the sequence
  int q_start;  // token of the sequence's first query
  int k_start;  // token of the sequence's first key
  int len_q;
  int len_k;
};

/// The tile of this CTA. The grid is one-dimensional: batch slowest, then head, then m_block from the last to the
/// first. The last m_block sees the most keys when causal, so the long tiles of a head start first.
template <int kBlockM>
ATTNJIT_DEVICE QueryTile query_tile(const i32* cu_seqlens_q, const i32* cu_seqlens_k, int num_heads, int m_blocks) {
  const u32 index = block_index();
  const u32 column = index / static_cast<u32>(m_blocks);
  const int m_block = m_blocks - 1 - static_cast<int>(index % static_cast<u32>(m_blocks));
  QueryTile tile;
  tile.batch = static_cast<int>(column / static_cast<u32>(num_heads));
  tile.head = static_cast<int>(column % static_cast<u32>(num_heads));
  tile.q_start = cu_seqlens_q[tile.batch];
  tile.k_start = cu_seqlens_k[tile.batch];
  tile.len_q = cu_seqlens_q[tile.batch + 1] - tile.q_start;
  tile.len_k = cu_seqlens_k[tile.batch + 1] - tile.k_start;
  tile.m_begin = m_block * kBlockM;
  tile.m_rows = min_of(kBlockM, tile.len_q - tile.m_begin);
  return tile;
}

}  // namespace attnjit::kernel
