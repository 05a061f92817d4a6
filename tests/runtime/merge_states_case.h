// A valid merge_states call for tests that never run it: pointers are just numbers.
#pragma once

#include "attnjit/merge_states.hpp"
#include "tests/runtime/mha_varlen_case.h"

namespace attnjit::test {

inline MergeStatesConfig merge_config() { return {.head_dim = 128, .dtype = DType::kBFloat16, .out_dtype = {}}; }

/// 300 tokens, 16 heads, two states, each lse stored as [H, T].
inline MergeStatesParams two_states() {
  MergeStatesParams p;
  p.out_a = Tensor::contiguous(address(0x10000), DType::kBFloat16, {300, 16, 128});
  p.lse_a = Tensor::strided(address(0x20000), DType::kFloat32, {300, 16}, {1, 300});
  p.out_b = Tensor::contiguous(address(0x30000), DType::kBFloat16, {300, 16, 128});
  p.lse_b = Tensor::strided(address(0x40000), DType::kFloat32, {300, 16}, {1, 300});
  p.out = Tensor::contiguous(address(0x50000), DType::kBFloat16, {300, 16, 128});
  p.lse = Tensor::strided(address(0x60000), DType::kFloat32, {300, 16}, {1, 300});
  return p;
}

/// The same with five states in one tensor, [N, T, H, d] and [N, T, H].
inline MergeStatesParams five_states() {
  MergeStatesParams p = two_states();
  p.out_a = p.lse_a = p.out_b = p.lse_b = {};
  p.outs = Tensor::contiguous(address(0x10000), DType::kBFloat16, {5, 300, 16, 128});
  p.lses = Tensor::contiguous(address(0x20000), DType::kFloat32, {5, 300, 16});
  return p;
}

}  // namespace attnjit::test
