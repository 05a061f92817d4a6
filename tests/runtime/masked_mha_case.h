// Valid masked_mha calls for tests that never run them: pointers are just numbers.
#pragma once

#include "attnjit/masked_mha.hpp"
#include "tests/runtime/mha_varlen_case.h"

namespace attnjit::test {

inline MaskedMhaConfig masked_config() { return {deepseek_config()}; }

/// With a mask of 200 positions.
inline MaskedMhaParams masked_params() {
  MaskedMhaParams p;
  p.attention = deepseek_params();
  p.mask = Tensor::contiguous(address(0x90000), DType::kInt32, {300, 7});
  p.mask_tiles = Tensor::contiguous(address(0x91000), DType::kInt32, {mask_tile_rows(300, 2), mask_tile_words(7)});
  return p;
}

/// With indices instead.
inline MaskedMhaParams topk_params() {
  MaskedMhaParams p;
  p.attention = deepseek_params();
  p.topk_indices = Tensor::contiguous(address(0x94000), DType::kInt32, {300, 33});
  p.workspace = {address(0x100000), MaskedMha::workspace_bytes({.tokens_q = 300, .batch = 2, .max_positions = 200})};
  return p;
}

inline MaskFromTopkParams mask_from_topk_params() {
  const MaskedMhaParams masked = masked_params();
  return {.topk_indices = topk_params().topk_indices,
          .cu_seqlens_q = masked.attention.cu_seqlens_q,
          .seq_lens = Tensor::contiguous(address(0x95000), DType::kInt32, {2}),
          .mask = masked.mask,
          .mask_tiles = masked.mask_tiles};
}

}  // namespace attnjit::test
