// A valid mha_varlen call for tests that never run it: pointers are just numbers.
#pragma once

#include <cstdint>

#include "attnjit/mha_varlen.hpp"

namespace attnjit::test {

inline void* address(std::uintptr_t value) { return reinterpret_cast<void*>(value); }

inline MhaVarlenConfig deepseek_config() {
  return {.head_dim_qk = 192,
          .head_dim_v = 128,
          .rope_dim = 64,
          .dtype = DType::kBFloat16,
          .causal = true,
          .out_dtype = {}};
}

/// 2 sequences, 300 tokens in all, 16 heads, separate keys.
inline MhaVarlenParams deepseek_params() {
  MhaVarlenParams p;
  p.q = Tensor::contiguous(address(0x10000), DType::kBFloat16, {300, 16, 192});
  p.k_nope = Tensor::contiguous(address(0x20000), DType::kBFloat16, {300, 16, 128});
  p.k_pe = Tensor::contiguous(address(0x30000), DType::kBFloat16, {300, 64});
  p.v = Tensor::contiguous(address(0x40000), DType::kBFloat16, {300, 16, 128});
  p.out = Tensor::contiguous(address(0x50000), DType::kBFloat16, {300, 16, 128});
  p.lse = Tensor::strided(address(0x60000), DType::kFloat32, {300, 16}, {1, 300});
  p.cu_seqlens_q = Tensor::contiguous(address(0x70000), DType::kInt32, {3});
  p.cu_seqlens_k = Tensor::contiguous(address(0x71000), DType::kInt32, {3});
  p.max_seqlen_q = 200;
  p.max_seqlen_k = 200;
  p.softmax_scale = 0.0722f;
  return p;
}

}  // namespace attnjit::test
