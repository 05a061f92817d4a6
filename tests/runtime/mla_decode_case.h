// A valid mla_decode call for tests that never run it: pointers are just numbers.
#pragma once

#include "attnjit/mla_decode.hpp"
#include "tests/runtime/mha_varlen_case.h"

namespace attnjit::test {

inline MlaDecodeConfig decode_config() {
  return {.kv_lora_rank = 512,
          .rope_dim = 64,
          .dtype = DType::kBFloat16,
          .cache_format = CacheFormat::kSame,
          .page_size = 64,
          .causal = true,
          .out_dtype = {}};
}

/// 3 sequences of 2 new tokens, 16 heads, 40 pages, at most 10 per sequence.
inline MlaDecodeParams decode_params() {
  MlaDecodeParams p;
  p.q = Tensor::contiguous(address(0x100000), DType::kBFloat16, {3, 2, 16, 576});
  p.cache = Tensor::contiguous(address(0x200000), DType::kBFloat16, {40, 64, 576});
  p.block_table = Tensor::contiguous(address(0x300000), DType::kInt32, {3, 10});
  p.seq_lens = Tensor::contiguous(address(0x310000), DType::kInt32, {3});
  p.out = Tensor::contiguous(address(0x400000), DType::kBFloat16, {3, 2, 16, 512});
  p.lse = Tensor::strided(address(0x500000), DType::kFloat32, {3, 2, 16}, {32, 1, 2});
  p.softmax_scale = 0.0722f;
  p.workspace = {address(0x10000000), std::size_t{64} << 20};
  return p;
}

/// The same tokens packed.
inline MlaDecodeParams packed_decode_params() {
  MlaDecodeParams p = decode_params();
  p.q = Tensor::contiguous(address(0x100000), DType::kBFloat16, {6, 16, 576});
  p.out = Tensor::contiguous(address(0x400000), DType::kBFloat16, {6, 16, 512});
  p.lse = Tensor::strided(address(0x500000), DType::kFloat32, {6, 16}, {1, 6});
  p.cu_seqlens_q = Tensor::contiguous(address(0x320000), DType::kInt32, {4});
  p.max_seqlen_q = 3;
  return p;
}

}  // namespace attnjit::test
