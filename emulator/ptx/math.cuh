// Special function unit on the emulator: correctly rounded except for double rounding, where the hardware deviates by
// up to what the ISA allows. Subnormal arguments and results become zeros of their sign (ftz).
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

namespace emulated {

inline float flush_denormal(float x) { return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0.f, x) : x; }

}  // namespace emulated

ATTNJIT_DEVICE float exp2_approx(float x) {
  return emulated::flush_denormal(static_cast<float>(__builtin_exp2(emulated::flush_denormal(x))));
}
ATTNJIT_DEVICE float log2_approx(float x) { return static_cast<float>(__builtin_log2(emulated::flush_denormal(x))); }
ATTNJIT_DEVICE float reciprocal_approx(float x) { return emulated::flush_denormal(1.f / emulated::flush_denormal(x)); }
ATTNJIT_DEVICE float max_float(float a, float b) {
  if (a != a) return b;
  if (b != b) return a;
  if (a == b) return __builtin_signbit(a) ? b : a;  // +0 is larger than -0
  return a > b ? a : b;
}
ATTNJIT_DEVICE float fma_float(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

}  // namespace attnjit::kernel
