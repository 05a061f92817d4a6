// From float32 accumulators to the output tensor: an output policy says how two neighbouring values are stored.
#pragma once

#include "core/e4m3.cuh"
#include "core/warp_tile.cuh"
#include "ptx/memory.cuh"

namespace attnjit::kernel {

/// 16-bit output: rounded once from the float32 accumulator.
template <Element kElement>
struct Output16Bit {
  static constexpr int kBytes = 2;
  ATTNJIT_DEVICE explicit Output16Bit(const float*) {}
  ATTNJIT_DEVICE float take_factor() { return 1.f; }
  ATTNJIT_DEVICE u32 pack(float low, float high) const { return pack_16bit<kElement>(low, high); }
};

/// float32 output, of kernels that join states.
struct OutputFloat {
  static constexpr int kBytes = 4;
  ATTNJIT_DEVICE explicit OutputFloat(const float*) {}
  ATTNJIT_DEVICE Float2 pack(float low, float high) const { return {low, high}; }
};

/// e4m3 output: clamp(o / out_scale) of the float32 accumulator, by the reciprocal of the one scale in
/// memory.
template <bool kHasCvt>
struct OutputE4M3 {
  static constexpr int kBytes = 1;
  float inverse_scale;
  ATTNJIT_DEVICE explicit OutputE4M3(const float* out_scale) : inverse_scale(1.f / *out_scale) {}
  /// From here on values are multiplied by this before they are packed: it may join a factor that they have anyway.
  ATTNJIT_DEVICE float take_factor() {
    const float factor = inverse_scale;
    inverse_scale = 1.f;
    return factor;
  }
  ATTNJIT_DEVICE u16 pack(float low, float high) const {
    return pack_e4m3<kHasCvt>(low * inverse_scale, high * inverse_scale);
  }
};

template <Element kOut, bool kHasCvt>
struct SelectOutput {
  using Type = Output16Bit<kOut>;
};
template <bool kHasCvt>
struct SelectOutput<Element::kFloat8E4M3, kHasCvt> {
  using Type = OutputE4M3<kHasCvt>;
};
template <bool kHasCvt>
struct SelectOutput<Element::kFloat32, kHasCvt> {
  using Type = OutputFloat;
};

/// Where row i of a tile lies in a tensor whose rows follow each other at one stride.
struct StridedRows {
  u8* first;
  i64 stride_bytes;
  ATTNJIT_DEVICE u8* operator()(int row) const { return first + row * stride_bytes; }
};

/// Copies rows of kChunks times 16 bytes, those below `rows` of kRows, from shared memory to where `row_address` says;
/// up to kSideBySide loads of a lane are under way at a time, which takes as many times 4 registers.
template <int kSideBySide, int kRows, int kChunks, class RowAddress>
ATTNJIT_DEVICE void copy_rows(u32 from, int pitch_bytes, const RowAddress& row_address, int column_byte, int rows,
                              int lane) {
  if constexpr (kSideBySide > 1) {
    constexpr int kRowsAtOnce = 32 / kChunks;
    constexpr int kLoads = min_of(kSideBySide, kRows / kRowsAtOnce);
    static_assert(kRowsAtOnce * kChunks == 32 && kRows % (kRowsAtOnce * kLoads) == 0);
    const int lane_row = static_cast<int>(static_cast<u32>(lane) / kChunks);
    const int byte = lane % kChunks * 16;
#pragma unroll
    for (int first = lane_row; first < lane_row + kRows; first += kLoads * kRowsAtOnce) {
      Vec16 chunks[kLoads];
#pragma unroll
      for (int i = 0; i < kLoads; ++i) {
        chunks[i] = load_shared_16(from + (first + i * kRowsAtOnce) * pitch_bytes + byte);
      }
#pragma unroll
      for (int i = 0; i < kLoads; ++i) {
        const int row = first + i * kRowsAtOnce;
        if (row < rows) store_global_16(row_address(row) + column_byte + byte, chunks[i]);
      }
    }
  } else {
    for (int i = lane; i < min_of(rows, kRows) * kChunks; i += 32) {
      const int row = i / kChunks;
      const int byte = i % kChunks * 16;
      store_global_16(row_address(row) + column_byte + byte, load_shared_16(from + row * pitch_bytes + byte));
    }
  }
}

/// Writes a warp's rows [16 kMTiles, 8 kNTiles], which it alone stages in shared memory at `staging` so that each
/// global store is 16 bytes wide: all columns at once, or kStagedTiles tiles of 8 after another. `row_address(i)` is
/// where row i goes; `rows` of them exist.
template <int kStagedTiles, int kSideBySide = 1, class Output, class RowAddress, int kMTiles, int kNTiles>
ATTNJIT_DEVICE void store_rows(const Output& output, const float (&accumulator)[kMTiles][kNTiles][4], u32 staging,
                               int staging_pitch_bytes, const RowAddress& row_address, int rows) {
  const AccumulatorPosition at{thread_index_anew() % 32};
#pragma unroll
  for (int first = 0; first < kNTiles; first += kStagedTiles) {
    if (first > 0) sync_warp();  // the group before has been read
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const u32 row = staging + at.row(m, half) * staging_pitch_bytes;
#pragma unroll
        for (int n = first; n < min_of(first + kStagedTiles, kNTiles); ++n) {
          store_shared(row + at.column(n - first) * Output::kBytes,
                       output.pack(accumulator[m][n][2 * half], accumulator[m][n][2 * half + 1]));
        }
      }
    }
    sync_warp();
    constexpr int kTileBytes = 8 * Output::kBytes;
    constexpr int kLast = kNTiles % kStagedTiles == 0 ? kStagedTiles : kNTiles % kStagedTiles;
    if (first + kStagedTiles <= kNTiles) {
      copy_rows<kSideBySide, 16 * kMTiles, kStagedTiles * kTileBytes / 16>(staging, staging_pitch_bytes, row_address,
                                                                           first * kTileBytes, rows, at.lane);
    } else {
      copy_rows<kSideBySide, 16 * kMTiles, kLast * kTileBytes / 16>(staging, staging_pitch_bytes, row_address,
                                                                    first * kTileBytes, rows, at.lane);
    }
  }
}

}  // namespace attnjit::kernel
