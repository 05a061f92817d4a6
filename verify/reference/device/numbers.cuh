// Storage types and random numbers for the plain kernels. Takes nothing from the templates under test except the
// integer type names.
#pragma once

#include "params.h"

namespace attnjit::reference {

template <Element kElement>
__device__ float to_float(u16 bits) {
  if constexpr (kElement == Element::kBFloat16) {
    return __uint_as_float(static_cast<u32>(bits) << 16);
  } else {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
  }
}

/// Round to nearest even.
template <Element kElement>
__device__ u16 round_to(float value) {
  u16 bits;
  if constexpr (kElement == Element::kBFloat16) {
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  } else {
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  }
  return bits;
}

/// Fused multiply-add in the type of the sum, whatever the compiler options.
__device__ inline float multiply_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
__device__ inline double multiply_add(double a, double b, double c) { return __fma_rn(a, b, c); }
/// exp of a float32 via float64: correctly rounded except for a few arguments in a billion.
__device__ inline float exponential(float x) { return static_cast<float>(exp(static_cast<double>(x))); }
__device__ inline double exponential(double x) { return exp(x); }
__device__ inline float divide(float a, float b) { return __fdiv_rn(a, b); }
__device__ inline double divide(double a, double b) { return __ddiv_rn(a, b); }

template <class Real>
__device__ Real larger(Real a, Real b) {
  return a > b ? a : b;
}

template <class Real>
__device__ Real warp_max(Real value) {
  for (int distance = 16; distance > 0; distance /= 2) {
    value = larger(value, __shfl_xor_sync(0xffffffffu, value, distance));
  }
  return value;
}

template <class Real>
__device__ Real warp_sum(Real value) {
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

/// SplitMix64 (Steele, Lea and Flood, 2014): a counter becomes 64 random bits.
__device__ inline u64 random_bits(u64 seed, u64 counter) {
  u64 z = seed + (counter + 1) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

/// Standard normal (Box and Muller, 1958).
__device__ inline float random_normal(u64 seed, u64 counter) {
  const u64 bits = random_bits(seed, counter);
  const float u = (static_cast<float>(bits >> 40) + 1.f) * 0x1p-24f;  // (0, 1]
  const float angle = static_cast<float>(bits & 0xffffffu) * 0x1p-23f;
  return sqrtf(-2.f * logf(u)) * cospif(angle);
}

}  // namespace attnjit::reference
