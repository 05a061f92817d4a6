// From float32 accumulators to the output tensor. An output policy packs two adjacent values and states their size.
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

/// float32 output, for kernels that merge states.
struct OutputFloat {
  static constexpr int kBytes = 4;
  ATTNJIT_DEVICE explicit OutputFloat(const float*) {}
  ATTNJIT_DEVICE Float2 pack(float low, float high) const { return {low, high}; }
};

/// e4m3 output: clamp(o / out_scale) of the float32 accumulator, as a product with the reciprocal of the scale.
template <bool kHasCvt>
struct OutputE4M3 {
  static constexpr int kBytes = 1;
  float inverse_scale;
  ATTNJIT_DEVICE explicit OutputE4M3(const float* out_scale) : inverse_scale(1.f / *out_scale) {}
  /// Returns the factor that the caller multiplies in from now on, before pack(): it can be folded into a factor that
  /// the values get anyway.
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

/// Maps row i of a tile to its address in a tensor with a constant row stride.
struct StridedRows {
  u8* first;
  i64 stride_bytes;
  ATTNJIT_DEVICE u8* operator()(int row) const { return first + row * stride_bytes; }
};

/// How a warp stages output rows in shared memory, so that every global store is 16 bytes wide.
struct RowStaging {
  int tiles;              // 8-column tiles staged at a time
  int loads = 1;          // 16-byte loads that a lane has in flight when it reads them back: 4 registers each
  bool stmatrix = false;  // stage with stmatrix: SM 9.0 on, 8-bit and 16-bit outputs
};

/// Stages 16 rows of `count` 8-column tiles, two adjacent values at a time.
template <class Output>
ATTNJIT_DEVICE void stage_pairs(const Output& output, const float (*tiles)[4], int count, u32 staging, int pitch_bytes,
                                const AccumulatorPosition& at) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const u32 row = staging + at.row(0, half) * pitch_bytes;
#pragma unroll
    for (int n = 0; n < count; ++n) {
      store_shared(row + at.column(n) * Output::kBytes, output.pack(tiles[n][2 * half], tiles[n][2 * half + 1]));
    }
  }
}
/// The same with stmatrix, whose matrices are 16 bytes wide: one tile of 16-bit outputs, or two tiles of 8-bit outputs.
/// Since a lane supplies 4 bytes of a row, the column pairs of two 8-bit tiles end up interleaved: sorted() undoes
/// that.
template <class Output>
ATTNJIT_DEVICE void stage_matrices(const Output& output, const float (*tiles)[4], int count, u32 staging,
                                   int pitch_bytes, const AccumulatorPosition& at) {
  constexpr int kTilesWide = 2 / Output::kBytes;  // tiles per matrix
  const u32 to = staging + at.lane % 16 * pitch_bytes + at.lane / 16 * 16;
#pragma unroll
  for (int n = 0; n < count; n += 2 * kTilesWide) {
    u32 r[4];  // rows 0 to 7 and 8 to 15 of the first matrix, then of the matrix to its right
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int half = i % 2;
      const float* const tile = tiles[n + i / 2 * kTilesWide];
      r[i] = output.pack(tile[2 * half], tile[2 * half + 1]);
      if constexpr (kTilesWide == 2) {
        const float* const right = tiles[n + i / 2 * kTilesWide + 1];
        r[i] |= static_cast<u32>(output.pack(right[2 * half], right[2 * half + 1])) << 16;
      }
    }
    stmatrix_x4(to + n * 8 * Output::kBytes, r);
  }
}
/// Deinterleaves 16 bytes of a row that hold the column pairs of two tiles: one tile after the other.
ATTNJIT_DEVICE Vec16 sorted(const Vec16& v) {
  const auto low = [&](int i) { return (v.word[i] & 0xffffu) | v.word[i + 1] << 16; };
  const auto high = [&](int i) { return v.word[i] >> 16 | (v.word[i + 1] & 0xffff0000u); };
  return {low(0), low(2), high(0), high(2)};
}

/// Copies rows of kChunks * 16 bytes from shared memory to the address that `row_address` returns; of the kRows rows,
/// only those below `rows`. kSort: deinterleaves 8-bit outputs staged by stage_matrices().
template <int kLoads, bool kSort, int kRows, int kChunks, class RowAddress>
ATTNJIT_DEVICE void copy_rows(u32 from, int pitch_bytes, const RowAddress& row_address, int column_byte, int rows,
                              int lane) {
  const auto load = [&](int row, int byte) {
    const Vec16 chunk = load_shared_16(from + row * pitch_bytes + byte);
    return kSort ? sorted(chunk) : chunk;
  };
  if constexpr (kLoads > 1) {
    constexpr int kRowsAtOnce = 32 / kChunks;
    constexpr int kTogether = min_of(kLoads, kRows / kRowsAtOnce);
    static_assert(kRowsAtOnce * kChunks == 32 && kRows % (kRowsAtOnce * kTogether) == 0);
    const int lane_row = static_cast<int>(static_cast<u32>(lane) / kChunks);
    const int byte = lane % kChunks * 16;
#pragma unroll
    for (int first = lane_row; first < lane_row + kRows; first += kTogether * kRowsAtOnce) {
      Vec16 chunks[kTogether];
#pragma unroll
      for (int i = 0; i < kTogether; ++i) chunks[i] = load(first + i * kRowsAtOnce, byte);
#pragma unroll
      for (int i = 0; i < kTogether; ++i) {
        const int row = first + i * kRowsAtOnce;
        if (row < rows) store_global_16(row_address(row) + column_byte + byte, chunks[i]);
      }
    }
  } else {
    for (int i = lane; i < min_of(rows, kRows) * kChunks; i += 32) {
      const int row = i / kChunks;
      const int byte = i % kChunks * 16;
      store_global_16(row_address(row) + column_byte + byte, load(row, byte));
    }
  }
}

/// Writes a warp's rows [16 kMTiles, 8 kNTiles] through its own staging buffer in shared memory at `staging`: all
/// columns at once, or a few tiles at a time. `row_address(i)` is the address of row i; `rows` of them exist.
template <RowStaging kStaging, class Output, class RowAddress, int kMTiles, int kNTiles>
ATTNJIT_DEVICE void store_rows(const Output& output, const float (&accumulator)[kMTiles][kNTiles][4], u32 staging,
                               int staging_pitch_bytes, const RowAddress& row_address, int rows) {
  static_assert(!kStaging.stmatrix ||
                (kStaging.tiles % (4 / Output::kBytes) == 0 && kNTiles % (4 / Output::kBytes) == 0));
  constexpr bool kSort = kStaging.stmatrix && Output::kBytes == 1;
  constexpr int kTileBytes = 8 * Output::kBytes;
  const AccumulatorPosition at{reread_thread_index() % 32};
#pragma unroll
  for (int first = 0; first < kNTiles; first += kStaging.tiles) {
    if (first > 0) sync_warp();  // the previous group has been read
    const int end = min_of(first + kStaging.tiles, kNTiles);
#pragma unroll
    for (int m = 0; m < kMTiles; ++m) {
      const float(*const tiles)[4] = &accumulator[m][first];
      const u32 to = staging + m * 16 * staging_pitch_bytes;
      if constexpr (kStaging.stmatrix) {
        stage_matrices(output, tiles, end - first, to, staging_pitch_bytes, at);
      } else {
        stage_pairs(output, tiles, end - first, to, staging_pitch_bytes, at);
      }
    }
    sync_warp();
    constexpr int kLast = kNTiles % kStaging.tiles == 0 ? kStaging.tiles : kNTiles % kStaging.tiles;
    if (first + kStaging.tiles <= kNTiles) {
      copy_rows<kStaging.loads, kSort, 16 * kMTiles, kStaging.tiles * kTileBytes / 16>(
          staging, staging_pitch_bytes, row_address, first * kTileBytes, rows, at.lane);
    } else {
      copy_rows<kStaging.loads, kSort, 16 * kMTiles, kLast * kTileBytes / 16>(staging, staging_pitch_bytes, row_address,
                                                                              first * kTileBytes, rows, at.lane);
    }
  }
}

}  // namespace attnjit::kernel
