// Fills, reads and checks strided tensors in place: a tensor may span gigabytes of padding that the host never needs to
// see.
#pragma once

#include "numbers.cuh"

namespace attnjit::reference {

__device__ inline i64 grid_thread() { return static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline i64 grid_size() { return static_cast<i64>(gridDim.x) * blockDim.x; }

/// Random values depend on addresses, not indices: where strides are 0, all writes to an address agree.
extern "C" __global__ void attnjit_reference_fill(const __grid_constant__ FillParams p) {
  const i64 elements = static_cast<i64>(p.tokens) * p.heads * p.columns;
  for (i64 i = grid_thread(); i < elements; i += grid_size()) {
    const i64 column = i % p.columns;
    const i64 head = i / p.columns % p.heads;
    const i64 token = i / p.columns / p.heads;
    const i64 offset = token * p.token_stride + head * p.head_stride + column;
    const bool as_bits = p.pattern == Pattern::kBits || p.pattern == Pattern::kConsecutive;
    const u32 bits = p.pattern == Pattern::kBits ? p.bits : static_cast<u32>(i);
    const i64 counter = p.pattern == Pattern::kSameForAll ? offset - token * p.token_stride : offset;
    float value = p.mean + p.deviation * random_normal(p.seed, static_cast<u64>(counter));
    if (p.pattern == Pattern::kSpikes && token % p.period == p.period / 2) value = p.spike;
    u16* const data_16 = static_cast<u16*>(p.data);
    switch (p.element) {
      case Element::kFloat32: static_cast<float*>(p.data)[offset] = as_bits ? __uint_as_float(bits) : value; break;
      case Element::kFloat16:
        data_16[offset] = as_bits ? static_cast<u16>(bits) : round_to<Element::kFloat16>(value);
        break;
      default: data_16[offset] = as_bits ? static_cast<u16>(bits) : round_to<Element::kBFloat16>(value); break;
    }
  }
}

template <class Bits>
__device__ void take_elements(const TakeParams& p) {
  const i64 elements = static_cast<i64>(p.tokens) * p.heads * p.columns;
  Bits* const source = static_cast<Bits*>(p.source);
  Bits* const destination = static_cast<Bits*>(p.destination);
  for (i64 i = grid_thread(); i < elements; i += grid_size()) {
    const i64 offset =
        i / p.columns / p.heads * p.token_stride + i / p.columns % p.heads * p.head_stride + i % p.columns;
    destination[i] = source[offset];
    source[offset] = static_cast<Bits>(p.poison);
  }
}

extern "C" __global__ void attnjit_reference_take(const __grid_constant__ TakeParams p) {
  switch (p.element_bytes) {
    case 1: take_elements<u8>(p); break;
    case 2: take_elements<u16>(p); break;
    case 4: take_elements<u32>(p); break;
  }
}

template <class Bits>
__device__ void count_elements(const CountParams& p) {
  const Bits* const data = static_cast<const Bits*>(p.data);
  u64 count = 0;
  u64 first = ~0ull;
  for (i64 i = grid_thread(); i < p.elements; i += grid_size()) {
    if (data[i] == static_cast<Bits>(p.pattern)) continue;
    ++count;
    if (first == ~0ull) first = static_cast<u64>(i);
  }
  if (count == 0) return;
  atomicAdd(&p.result[0], count);
  atomicMin(&p.result[1], first);
}

extern "C" __global__ void attnjit_reference_count(const __grid_constant__ CountParams p) {
  switch (p.element_bytes) {
    case 1: count_elements<u8>(p); break;
    case 2: count_elements<u16>(p); break;
    case 4: count_elements<u32>(p); break;
  }
}

}  // namespace attnjit::reference
