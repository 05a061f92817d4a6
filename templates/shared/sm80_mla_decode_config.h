// Configs of the generic MLA decode kernel (any SM from 8.0 on) and of its combine kernel, and what follows from a
// config alone.
#pragma once

#include "shared/cache_format.h"
#include "shared/sm80_mha_varlen_config.h"
#include "shared/types.h"

namespace attnjit::kernel {

#define ATTNJIT_SM80_MLA_DECODE_FIELDS(FIELD)                                           \
  FIELD(Element, element)       /* of the queries and of the products: f16 or bf16 */   \
  FIELD(Element, out_element)   /* the same, or e4m3 (quantised by out_scale) */        \
  FIELD(CacheFormat, cache)     /* how cache rows are stored */                         \
  FIELD(int, latent_dim)        /* R: keys' first columns, which are also the values */ \
  FIELD(int, rope_dim)          /* P: keys' further columns */                          \
  FIELD(int, page_size)         /* tokens of a page; a power of two */                  \
  FIELD(bool, causal)           /* among the new tokens, bottom-right aligned */        \
  FIELD(int, block_m)           /* kBlockM: rows (query, head) of a CTA */              \
  FIELD(int, block_n)           /* kBlockN: keys per step */                            \
  FIELD(int, stages)            /* buffers for tiles of keys as they are stored */      \
  FIELD(int, warps)             /* 4 side by side along the columns, times rows */      \
  FIELD(int, ctas_per_sm)       /* for the register budget and the number of splits */  \
  FIELD(bool, e4m3_cvt)         /* has cvt of e4m3x2 (SM 8.9 on); else integer code */  \
  FIELD(bool, dependent_launch) /* griddepcontrol (SM 9.0 on): the combine kernel starts early */

struct Sm80MlaDecodeConfig {
  ATTNJIT_CONFIG_MEMBERS(ATTNJIT_SM80_MLA_DECODE_FIELDS)
  constexpr bool operator==(const Sm80MlaDecodeConfig&) const = default;
};

ATTNJIT_HOST_DEVICE constexpr int threads(const Sm80MlaDecodeConfig& c) { return c.warps * 32; }
ATTNJIT_HOST_DEVICE constexpr int min_ctas_per_sm(const Sm80MlaDecodeConfig& c) { return c.ctas_per_sm; }

/// Column warps: each takes a quarter of the columns, of Q and K in Q K^T and of V in P V.
inline constexpr int kColumnWarps = 4;

ATTNJIT_HOST_DEVICE constexpr CacheRow cache_row(const Sm80MlaDecodeConfig& c) {
  return {c.cache, c.latent_dim, c.rope_dim};
}

/// Bytes from one stored row to the next in shared memory: an odd multiple of 64. Eight lanes load 16 bytes each, from
/// two rows and four chunks; this way they hit eight different bank groups.
ATTNJIT_HOST_DEVICE constexpr int stored_pitch(int row_bytes) { return (row_bytes + 63) / 128 * 128 + 64; }

/// Pitch of the float32 score rows that the warps exchange: 8 words of padding keep both the stores and the loads of
/// fragments free of bank conflicts.
ATTNJIT_HOST_DEVICE constexpr int score_pitch(int block_n) { return block_n + 8; }

/// Bytes of dynamic shared memory: Q, the stages of stored rows, one tile of 16-bit rows if the cache is converted, and
/// partial scores. The output tile reuses all but Q.
ATTNJIT_HOST_DEVICE constexpr int smem_bytes(const Sm80MlaDecodeConfig& c) {
  const int row = padded_row(c.latent_dim + c.rope_dim) * 2;
  const int stored_row =
      c.cache == CacheFormat::kSame ? row : stored_pitch(latent_row_bytes(cache_row(c)) + rope_row_bytes(cache_row(c)));
  const int converted = c.cache == CacheFormat::kSame ? 0 : c.block_n * row;
  const int work =
      c.stages * c.block_n * stored_row + converted + kColumnWarps * c.block_m * score_pitch(c.block_n) * 4;
  const int out = kColumnWarps * c.block_m * (c.latent_dim / kColumnWarps * bytes_of(c.out_element) + kRowPadBytes);
  return c.block_m * row + max_of(work, out);
}

#define ATTNJIT_SM80_MLA_COMBINE_FIELDS(FIELD)                                         \
  FIELD(Element, out_element)   /* f16, bf16 or e4m3 */                                \
  FIELD(int, latent_dim)        /* R */                                                \
  FIELD(bool, e4m3_cvt)         /* has cvt of e4m3x2 (SM 8.9 on); else integer code */ \
  FIELD(bool, dependent_launch) /* as in the main kernel */

struct Sm80MlaCombineConfig {
  ATTNJIT_CONFIG_MEMBERS(ATTNJIT_SM80_MLA_COMBINE_FIELDS)
  constexpr bool operator==(const Sm80MlaCombineConfig&) const = default;
};

inline constexpr int kCombineWarps = 8;
ATTNJIT_HOST_DEVICE constexpr int threads(const Sm80MlaCombineConfig&) { return kCombineWarps * 32; }
ATTNJIT_HOST_DEVICE constexpr int min_ctas_per_sm(const Sm80MlaCombineConfig&) { return 2; }
/// A row of float32 sums per warp.
ATTNJIT_HOST_DEVICE constexpr int smem_bytes(const Sm80MlaCombineConfig& c) { return kCombineWarps * c.latent_dim * 4; }

}  // namespace attnjit::kernel
