// Rows of a latent cache as bytes, in each format: what an engine's cache writer does, as plain host code.
#pragma once

#include <cstdint>
#include <vector>

#include "attnjit/mla_decode.hpp"

namespace attnjit::gpu_tests {

/// Bytes of a stored row's latent part and rope part; a 656-byte row has only the former.
int latent_bytes(const MlaDecodeConfig& config);
int rope_bytes(const MlaDecodeConfig& config);

/// One key's values [R + P] as stored: the latent part, then the rope part. `cache_scale` is for kE4M3 only.
std::vector<std::uint8_t> pack_row(const MlaDecodeConfig& config, const std::vector<float>& values, float cache_scale);

/// The same row as values of the operator's dtype, in 16-bit patterns.
std::vector<std::uint16_t> unpack_row(const MlaDecodeConfig& config, const std::vector<std::uint8_t>& row,
                                      float cache_scale);

}  // namespace attnjit::gpu_tests
