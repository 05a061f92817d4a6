// Special function unit: approximations accurate enough for a softmax.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

/// PTX ISA 9.7.3.21, ex2.approx.ftz: 2^x, relative error 2^-22; 2^-inf = 0.
ATTNJIT_DEVICE float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/// PTX ISA 9.7.3.20, lg2.approx.ftz: log2(x), absolute error 2^-22 near 1.
ATTNJIT_DEVICE float log2_approx(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/// PTX ISA 9.7.3.13, rcp.approx.ftz: 1 / x within 1 ulp.
ATTNJIT_DEVICE float reciprocal_approx(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/// PTX ISA 9.7.3.12, max.f32: the larger value; if one is NaN, the other.
ATTNJIT_DEVICE float max_float(float a, float b) { return fmaxf(a, b); }
/// PTX ISA 9.7.3.6, fma.rn.f32.
ATTNJIT_DEVICE float fma_float(float a, float b, float c) { return __fmaf_rn(a, b, c); }

}  // namespace attnjit::kernel
