// wgmma: asynchronous matrix multiply of a warpgroup (four warps), m64nNk16 with float32 accumulators (SM 9.0a).
//
// Of d, lane l of warp w holds rows 16 w + l / 4 and 8 further on, columns 8 t + 2 (l % 4) and the next one, in d[t].
// Per warp this is the layout of mma.sync, so code for one accumulator works on the other.
#pragma once

#include "ptx/builtins.cuh"
#include "shared/wgmma_descriptor.h"

namespace attnjit::kernel {

/// PTX ISA 9.7.15.7.1, wgmma.fence: needed before the first wgmma, and whenever registers of one were accessed.
ATTNJIT_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
/// PTX ISA 9.7.15.7.2, wgmma.commit_group.
ATTNJIT_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// PTX ISA 9.7.15.7.3, wgmma.wait_group: waits until at most kPending of the newest groups are in flight.
template <int kPending>
ATTNJIT_DEVICE void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
// Operand lists of 8 accumulator tiles (32 registers) and fewer.
#define ATTNJIT_TILE(d, t) "+f"(d[t][0]), "+f"(d[t][1]), "+f"(d[t][2]), "+f"(d[t][3])
#define ATTNJIT_TILES2(d, t) ATTNJIT_TILE(d, t), ATTNJIT_TILE(d, t + 1)
#define ATTNJIT_TILES4(d, t) ATTNJIT_TILES2(d, t), ATTNJIT_TILES2(d, t + 2)
#define ATTNJIT_TILES8(d, t) ATTNJIT_TILES4(d, t), ATTNJIT_TILES4(d, t + 4)

/// Keeps the compiler from moving accumulator accesses across this point: it does not know that a wgmma in flight
/// writes the accumulators. One statement per 16 registers: one per register would take a third of the compile time.
template <int kTiles>
ATTNJIT_DEVICE void wgmma_pin(float (&d)[kTiles][4]) {
  static_assert(kTiles % 4 == 0);
#pragma unroll
  for (int t = 0; t < kTiles; t += 4) asm volatile("" : ATTNJIT_TILES4(d, t)::"memory");
}

// One wgmma, or four along k. The four form one statement, since each statement with so many operands costs the
// compiler some 2 ms. `scale` names the operand that says whether the first wgmma accumulates.
#define ATTNJIT_D64                                                         \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define ATTNJIT_D96                                                                  \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "          \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47}"
#define ATTNJIT_D128                                                                 \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "          \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}"
// clang-format off
#define ATTNJIT_WGMMA_OF(n, type) "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type "." type " " ATTNJIT_D##n
#define ATTNJIT_ROWS(n, type, a, b, p) ATTNJIT_WGMMA_OF(n, type) ", " a ", " b ", " p ", 1, 1, 0, 0;\n"
#define ATTNJIT_ROWS_1(n, type, a, b, scale)        \
  "{.reg .pred p; setp.ne.b32 p, " scale ", 0;\n"   \
  ATTNJIT_ROWS(n, type, a, b, "p") "}"
#define ATTNJIT_ROWS_NEXT(n, type, a, b, step)                    \
  "add.s64 x, " a ", " step "; add.s64 y, " b ", " step ";\n"     \
  ATTNJIT_ROWS(n, type, "x", "y", "q")
#define ATTNJIT_ROWS_4(n, type, a, b, scale)                                                    \
  "{.reg .pred p, q; .reg .b64 x, y; setp.ne.b32 p, " scale ", 0; setp.eq.b32 q, 0, 0;\n"       \
  ATTNJIT_ROWS(n, type, a, b, "p")                                                              \
  ATTNJIT_ROWS_NEXT(n, type, a, b, "2")                                                         \
  ATTNJIT_ROWS_NEXT(n, type, a, b, "4")                                                         \
  ATTNJIT_ROWS_NEXT(n, type, a, b, "6") "}"
#define ATTNJIT_COLUMNS(n, type, a, b, p) ATTNJIT_WGMMA_OF(n, type) ", {" a "}, " b ", " p ", 1, 1, 1;\n"
#define ATTNJIT_COLUMNS_NEXT(n, type, a, b, step)    \
  "add.s64 y, " b ", " step ";\n"                    \
  ATTNJIT_COLUMNS(n, type, a, "y", "q")
#define ATTNJIT_COLUMNS_4(n, type, a0, a1, a2, a3, b, scale)                                    \
  "{.reg .pred p, q; .reg .b64 y; setp.ne.b32 p, " scale ", 0; setp.eq.b32 q, 0, 0;\n"          \
  ATTNJIT_COLUMNS(n, type, a0, b, "p")                                                          \
  ATTNJIT_COLUMNS_NEXT(n, type, a1, b, "128")                                                   \
  ATTNJIT_COLUMNS_NEXT(n, type, a2, b, "256")                                                   \
  ATTNJIT_COLUMNS_NEXT(n, type, a3, b, "384") "}"
// clang-format on
#define ATTNJIT_WGMMA_ROWS()                      \
  if constexpr (kElement == Element::kBFloat16) { \
    if constexpr (kSteps == 4) {                  \
      ATTNJIT_WGMMA(ATTNJIT_ROWS_4, "bf16");      \
    } else {                                      \
      ATTNJIT_WGMMA(ATTNJIT_ROWS_1, "bf16");      \
    }                                             \
  } else if constexpr (kSteps == 4) {             \
    ATTNJIT_WGMMA(ATTNJIT_ROWS_4, "f16");         \
  } else {                                        \
    ATTNJIT_WGMMA(ATTNJIT_ROWS_1, "f16");         \
  }
#define ATTNJIT_WGMMA_COLUMNS()                   \
  if constexpr (kElement == Element::kBFloat16) { \
    ATTNJIT_WGMMA("bf16");                        \
  } else {                                        \
    ATTNJIT_WGMMA("f16");                         \
  }
#define ATTNJIT_FRAGMENT(a, k) "r"(a[k][0]), "r"(a[k][1]), "r"(a[k][2]), "r"(a[k][3])
#define ATTNJIT_FRAGMENTS4(a) \
  ATTNJIT_FRAGMENT(a, 0), ATTNJIT_FRAGMENT(a, 1), ATTNJIT_FRAGMENT(a, 2), ATTNJIT_FRAGMENT(a, 3)

/// PTX ISA 9.7.15.5.2, wgmma.mma_async.m64n64k16, kSteps times (1 or 4): d = a b^T, or d += a b^T if `accumulate`; a
/// [64, 16 kSteps] and b [64, 16 kSteps] in shared memory, both row-major.
template <Element kElement, int kSteps>
ATTNJIT_DEVICE void wgmma_ss(float (&d)[8][4], u64 a, u64 b, bool accumulate) {
  static_assert(kSteps == 1 || kSteps == 4);
  const int scale = accumulate;
#define ATTNJIT_WGMMA(form, type) \
  asm volatile(form(64, type, "%32", "%33", "%34") : ATTNJIT_TILES8(d, 0) : "l"(a), "l"(b), "r"(scale))
  ATTNJIT_WGMMA_ROWS();
#undef ATTNJIT_WGMMA
}
/// Four of them with a [64, 64] in registers, laid out like four A fragments of mma.sync, and b [64, 64] row-major: d =
/// a b, or d += a b if `accumulate`.
template <Element kElement>
ATTNJIT_DEVICE void wgmma_rs(float (&d)[8][4], const u32 (*a)[4], u64 b, bool accumulate) {
  const int scale = accumulate;
#define ATTNJIT_WGMMA(type)                                                                                  \
  asm volatile(ATTNJIT_COLUMNS_4(64, type, "%32, %33, %34, %35", "%36, %37, %38, %39", "%40, %41, %42, %43", \
                                 "%44, %45, %46, %47", "%48", "%49")                                         \
               : ATTNJIT_TILES8(d, 0)                                                                        \
               : ATTNJIT_FRAGMENTS4(a), "l"(b), "r"(scale))
  ATTNJIT_WGMMA_COLUMNS();
#undef ATTNJIT_WGMMA
}

/// PTX ISA 9.7.15.5.2, wgmma.mma_async.m64n96k16: the same with b [96, 16 kSteps].
template <Element kElement, int kSteps>
ATTNJIT_DEVICE void wgmma_ss(float (&d)[12][4], u64 a, u64 b, bool accumulate) {
  static_assert(kSteps == 1 || kSteps == 4);
  const int scale = accumulate;
#define ATTNJIT_WGMMA(form, type)                           \
  asm volatile(form(96, type, "%48", "%49", "%50")          \
               : ATTNJIT_TILES8(d, 0), ATTNJIT_TILES4(d, 8) \
               : "l"(a), "l"(b), "r"(scale))
  ATTNJIT_WGMMA_ROWS();
#undef ATTNJIT_WGMMA
}
/// The same with a in registers and b [64, 96].
template <Element kElement>
ATTNJIT_DEVICE void wgmma_rs(float (&d)[12][4], const u32 (*a)[4], u64 b, bool accumulate) {
  const int scale = accumulate;
#define ATTNJIT_WGMMA(type)                                                                                  \
  asm volatile(ATTNJIT_COLUMNS_4(96, type, "%48, %49, %50, %51", "%52, %53, %54, %55", "%56, %57, %58, %59", \
                                 "%60, %61, %62, %63", "%64", "%65")                                         \
               : ATTNJIT_TILES8(d, 0), ATTNJIT_TILES4(d, 8)                                                  \
               : ATTNJIT_FRAGMENTS4(a), "l"(b), "r"(scale))
  ATTNJIT_WGMMA_COLUMNS();
#undef ATTNJIT_WGMMA
}

/// PTX ISA 9.7.15.5.2, wgmma.mma_async.m64n128k16: the same with b [128, 16 kSteps].
template <Element kElement, int kSteps>
ATTNJIT_DEVICE void wgmma_ss(float (&d)[16][4], u64 a, u64 b, bool accumulate) {
  static_assert(kSteps == 1 || kSteps == 4);
  const int scale = accumulate;
#define ATTNJIT_WGMMA(form, type)                           \
  asm volatile(form(128, type, "%64", "%65", "%66")         \
               : ATTNJIT_TILES8(d, 0), ATTNJIT_TILES8(d, 8) \
               : "l"(a), "l"(b), "r"(scale))
  ATTNJIT_WGMMA_ROWS();
#undef ATTNJIT_WGMMA
}
/// The same with a in registers and b [64, 128].
template <Element kElement>
ATTNJIT_DEVICE void wgmma_rs(float (&d)[16][4], const u32 (*a)[4], u64 b, bool accumulate) {
  const int scale = accumulate;
#define ATTNJIT_WGMMA(type)                                                                                   \
  asm volatile(ATTNJIT_COLUMNS_4(128, type, "%64, %65, %66, %67", "%68, %69, %70, %71", "%72, %73, %74, %75", \
                                 "%76, %77, %78, %79", "%80", "%81")                                          \
               : ATTNJIT_TILES8(d, 0), ATTNJIT_TILES8(d, 8)                                                   \
               : ATTNJIT_FRAGMENTS4(a), "l"(b), "r"(scale))
  ATTNJIT_WGMMA_COLUMNS();
#undef ATTNJIT_WGMMA
}

#undef ATTNJIT_WGMMA_ROWS
#undef ATTNJIT_WGMMA_COLUMNS
#undef ATTNJIT_FRAGMENTS4
#undef ATTNJIT_FRAGMENT
#undef ATTNJIT_COLUMNS_4
#undef ATTNJIT_COLUMNS_NEXT
#undef ATTNJIT_COLUMNS
#undef ATTNJIT_ROWS_4
#undef ATTNJIT_ROWS_NEXT
#undef ATTNJIT_ROWS_1
#undef ATTNJIT_ROWS
#undef ATTNJIT_WGMMA_OF
#undef ATTNJIT_D128
#undef ATTNJIT_D96
#undef ATTNJIT_D64
#undef ATTNJIT_TILES8
#undef ATTNJIT_TILES4
#undef ATTNJIT_TILES2
#undef ATTNJIT_TILE

/// PTX ISA 9.7.19.5, setmaxnreg.inc and .dec: sets the registers per thread of this warpgroup.
template <int kRegisters>
ATTNJIT_DEVICE void setmaxnreg_inc() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
ATTNJIT_DEVICE void setmaxnreg_dec() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

}  // namespace attnjit::kernel
