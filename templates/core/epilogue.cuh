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

/// How a warp stages rows of an output in shared memory, so that each global store is 16 bytes wide.
struct RowStaging {
  int tiles;              // of 8 columns that are staged at a time
  int loads = 1;          // of 16 bytes that a lane has under way when it reads them back: each takes 4 registers
  bool stmatrix = false;  // staged by it: SM 9.0 on, outputs of 8 and 16 bits
};

/// Stages 16 rows of `count` tiles of 8 columns, two neighbouring values at a time.
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
/// The same by stmatrix, whose matrices are 16 bytes wide: one tile of 16-bit outputs. Of 8-bit ones it is two, and
/// since a lane gives 4 bytes of a row, pairs of columns of both take turns in it: sorted() undoes that.
template <class Output>
ATTNJIT_DEVICE void stage_matrices(const Output& output, const float (*tiles)[4], int count, u32 staging,
                                   int pitch_bytes, const AccumulatorPosition& at) {
  constexpr int kTilesWide = 2 / Output::kBytes;  // of a matrix
  const u32 to = staging + at.lane % 16 * pitch_bytes + at.lane / 16 * 16;
#pragma unroll
  for (int n = 0; n < count; n += 2 * kTilesWide) {
    u32 r[4];  // rows 0 to 7 and 8 to 15 of the first matrix, then of the one to its right
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
/// 16 bytes of a row in which pairs of columns of two tiles take turns: one tile's behind the other's.
ATTNJIT_DEVICE Vec16 sorted(const Vec16& v) {
  const auto low = [&](int i) { return (v.word[i] & 0xffffu) | v.word[i + 1] << 16; };
  const auto high = [&](int i) { return v.word[i] >> 16 | (v.word[i + 1] & 0xffff0000u); };
  return {low(0), low(2), high(0), high(2)};
}

/// Copies rows of kChunks times 16 bytes, those below `rows` of kRows, from shared memory to where `row_address` says.
/// kSort: as stage_matrices() leaves 8-bit outputs.
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

/// Writes a warp's rows [16 kMTiles, 8 kNTiles], which it alone stages in shared memory at `staging`: all columns at
/// once, or some tiles after another. `row_address(i)` is where row i goes; `rows` of them exist.
template <RowStaging kStaging, class Output, class RowAddress, int kMTiles, int kNTiles>
ATTNJIT_DEVICE void store_rows(const Output& output, const float (&accumulator)[kMTiles][kNTiles][4], u32 staging,
                               int staging_pitch_bytes, const RowAddress& row_address, int rows) {
  static_assert(!kStaging.stmatrix ||
                (kStaging.tiles % (4 / Output::kBytes) == 0 && kNTiles % (4 / Output::kBytes) == 0));
  constexpr bool kSort = kStaging.stmatrix && Output::kBytes == 1;
  constexpr int kTileBytes = 8 * Output::kBytes;
  const AccumulatorPosition at{thread_index_anew() % 32};
#pragma unroll
  for (int first = 0; first < kNTiles; first += kStaging.tiles) {
    if (first > 0) sync_warp();  // the group before has been read
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
