// Latent cache formats: the size of a stored row, and the conversion of stored rows to 16-bit rows in shared memory.
// Formats that already have 16 bits need no conversion.
#pragma once

#include "core/e4m3.cuh"
#include "ptx/memory.cuh"
#include "shared/sm80_mla_decode_config.h"

namespace attnjit::kernel {

/// Converts 16 codes (one 16-byte chunk of a stored row) to 32 bytes at `to`.
template <Element kElement, bool kHasCvt, bool kScaled>
ATTNJIT_DEVICE void convert_chunk(u32 to, const Vec16& codes, float scale) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    Vec16 out;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const u32 word = codes.word[2 * half + i];
      out.word[2 * i] = convert_pair<kElement, kScaled>(unpack_e4m3<kHasCvt>(static_cast<u16>(word)), scale);
      out.word[2 * i + 1] = convert_pair<kElement, kScaled>(unpack_e4m3<kHasCvt>(static_cast<u16>(word >> 16)), scale);
    }
    store_shared_16(to + half * 16, out);
  }
}

/// Converts a tile of kRows stored rows at `stored` (kStoredPitch bytes apart) to 16-bit rows at `tile` (kPitch bytes
/// apart). All kThreads threads of the CTA take part, four to a row. A per-tensor cache scale is not applied here: it
/// is folded into the softmax scale and the final normalization.
template <Sm80MlaDecodeConfig kConfig, int kRows, int kStoredPitch, int kPitch, int kThreads>
ATTNJIT_DEVICE void convert_tile(u32 tile, u32 stored) {
  constexpr bool kBlockScales = kConfig.cache == CacheFormat::kE4M3Block;
  constexpr int kCodeChunks = (kBlockScales ? kConfig.latent_dim : kConfig.latent_dim + kConfig.rope_dim) / 16;
  constexpr int kChunksPerPass = kThreads / kRows;
  static_assert(kChunksPerPass % 4 == 0);
  const int row = thread_index() / 4 % kRows;
  const int first_chunk = thread_index() / 4 / kRows * 4 + thread_index() % 4;
  const u32 from = stored + row * kStoredPitch;
  const u32 to = tile + row * kPitch;

  // Several loads in flight where registers allow it: with 16 rows the accumulators leave room.
  constexpr int kUnroll = kConfig.block_m == 16 ? 3 : 1;
#pragma unroll kUnroll
  for (int chunk = first_chunk; chunk < kCodeChunks; chunk += kChunksPerPass) {
    float scale = 1.f;
    if constexpr (kBlockScales) scale = load_shared_float(from + kConfig.latent_dim + chunk / 8 * 4);
    convert_chunk<kConfig.element, kConfig.e4m3_cvt, kBlockScales>(to + chunk * 32, load_shared_16(from + chunk * 16),
                                                                   scale);
  }
  if constexpr (kBlockScales) {
    // Rope values follow the codes and their scales. They are bf16, whatever the element type of the GEMMs.
    constexpr int kRopeBegin = kConfig.latent_dim + kConfig.latent_dim / 128 * 4;
#pragma unroll 1
    for (int chunk = first_chunk; chunk < kConfig.rope_dim / 8; chunk += kChunksPerPass) {
      Vec16 values = load_shared_16(from + kRopeBegin + chunk * 16);
      if constexpr (kConfig.element == Element::kFloat16) {
#pragma unroll
        for (u32& pair : values.word) {
          pair = pack_16bit<Element::kFloat16>(float_of(pair << 16), float_of(pair & 0xffff0000u));
        }
      }
      store_shared_16(to + kConfig.latent_dim * 2 + chunk * 16, values);
    }
  }
}

}  // namespace attnjit::kernel
