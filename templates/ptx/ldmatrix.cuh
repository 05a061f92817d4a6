// ldmatrix and stmatrix: move four 8x8 tiles of 16-bit elements between shared memory and mma fragments.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

/// PTX ISA 9.7.14.5.15, ldmatrix.x4. Lane l supplies the address of row l % 8 of tile l / 8.
ATTNJIT_DEVICE void ldmatrix_x4(u32 (&r)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
/// The same with each tile transposed.
ATTNJIT_DEVICE void ldmatrix_x4_trans(u32 (&r)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
/// PTX ISA 9.7.14.5.16, stmatrix.x4 (SM 9.0 on): the reverse of ldmatrix_x4().
ATTNJIT_DEVICE void stmatrix_x4(u32 address, const u32 (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(r[0]), "r"(r[1]),
               "r"(r[2]), "r"(r[3])
               : "memory");
}

}  // namespace attnjit::kernel
