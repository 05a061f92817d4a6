// Config of the generic varlen attention kernel (any SM from 8.0 on), and what follows from the config alone.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

#define ATTNJIT_SM80_MHA_VARLEN_FIELDS(FIELD)                                          \
  FIELD(Element, element)     /* of q, k and v: f16 or bf16 */                         \
  FIELD(Element, out_element) /* the same, or e4m3 (quantised by out_scale) */         \
  FIELD(int, head_dim_qk)     /* dqk, multiple of 16, at most 256 */                   \
  FIELD(int, head_dim_v)      /* dv, multiple of 16, at most 256 */                    \
  FIELD(int, rope_dim)        /* P: columns of q and k that come from q_pe and k_pe */ \
  FIELD(bool, causal)         /* bottom-right aligned */                               \
  FIELD(bool, masked)         /* by a bitmask of keys; block_n is 32 or 64 then */     \
  FIELD(int, block_m)         /* kBlockM: query rows of a CTA */                       \
  FIELD(int, block_n)         /* kBlockN: keys per step */                             \
  FIELD(int, warps)           /* each owns block_m / warps rows: 16 or 32 */           \
  FIELD(int, ctas_per_sm)     /* for the register budget */                            \
  FIELD(bool, e4m3_cvt)       /* has cvt.e4m3x2 (SM 8.9 on); else integer code */

struct Sm80MhaVarlenConfig {
  ATTNJIT_CONFIG_MEMBERS(ATTNJIT_SM80_MHA_VARLEN_FIELDS)
  constexpr bool operator==(const Sm80MhaVarlenConfig&) const = default;
};

ATTNJIT_HOST_DEVICE constexpr int threads(const Sm80MhaVarlenConfig& c) { return c.warps * 32; }
ATTNJIT_HOST_DEVICE constexpr int min_ctas_per_sm(const Sm80MhaVarlenConfig& c) { return c.ctas_per_sm; }

/// Rows in shared memory are padded by 16 bytes. A row is then an odd number of 16-byte units, so the eight rows that
/// one ldmatrix phase reads lie in eight different bank groups, for every head dim and without address arithmetic.
inline constexpr int kRowPadBytes = 16;
ATTNJIT_HOST_DEVICE constexpr int padded_row(int columns) { return columns + kRowPadBytes / 2; }

/// Bytes of mask bits per row and key block.
inline constexpr int kMaskRowBytes = 16;

/// Bytes of dynamic shared memory: Q, K and V tiles, and mask bits; the output tile reuses them.
ATTNJIT_HOST_DEVICE constexpr int smem_bytes(const Sm80MhaVarlenConfig& c) {
  const int q = c.block_m * padded_row(c.head_dim_qk) * 2;
  const int k = c.block_n * padded_row(c.head_dim_qk) * 2;
  const int v = c.block_n * padded_row(c.head_dim_v) * 2;
  const int out = c.block_m * (c.head_dim_v * bytes_of(c.out_element) + kRowPadBytes);
  return max_of(q + k + v + (c.masked ? c.block_m * kMaskRowBytes : 0), out);
}

}  // namespace attnjit::kernel
