// Formats of the latent cache: how a row is stored.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

/// How a row of the latent cache is stored.
enum class CacheFormat : int {
  kSame = 0,       // the queries' 16-bit type
  kE4M3 = 1,       // e4m3, one float32 scale for the whole cache
  kE4M3Block = 2,  // 656 bytes: 512 e4m3, 4 float32 scales (one per 128 columns), 64 bf16 rope values
};
ATTNJIT_HOST_DEVICE constexpr const char* type_name(CacheFormat) { return "CacheFormat"; }
ATTNJIT_HOST_DEVICE constexpr const char* value_name(CacheFormat format) {
  switch (format) {
    case CacheFormat::kSame: return "same";
    case CacheFormat::kE4M3: return "e4m3";
    case CacheFormat::kE4M3Block: return "e4m3_block";
  }
  return "?";
}

/// A row of a cache.
struct CacheRow {
  CacheFormat format;
  int latent_dim;  // R: columns of the latent, which are also the values
  int rope_dim;    // P: the rope columns behind them
};

/// Bytes of a stored row: the part from the latent view, and the part from the rope view.
ATTNJIT_HOST_DEVICE constexpr int latent_row_bytes(const CacheRow& row) {
  switch (row.format) {
    case CacheFormat::kSame: return row.latent_dim * 2;
    case CacheFormat::kE4M3: return row.latent_dim;
    case CacheFormat::kE4M3Block: return row.latent_dim + row.latent_dim / 128 * 4 + row.rope_dim * 2;
  }
  return 0;
}
ATTNJIT_HOST_DEVICE constexpr int rope_row_bytes(const CacheRow& row) {
  return row.format == CacheFormat::kSame ? row.rope_dim * 2 : row.format == CacheFormat::kE4M3 ? row.rope_dim : 0;
}

}  // namespace attnjit::kernel
