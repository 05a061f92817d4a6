// ldmatrix and stmatrix on the emulator.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

namespace emulated {

struct LdmatrixOperands {
  u32* r;
  const u8* row;  // 8 elements, of the tile and row whose address this lane supplies
};

/// Register i of lane l: from tile i, elements 2 (l % 4) and the next one of row l / 4, or of column l / 4 if
/// transposed.
template <int kTiles, bool kTranspose>
void ldmatrix(void* const (&lanes)[emulator::kWarpLanes]) {
  const auto element = [&](int tile, int row, int column) {
    u16 value;
    __builtin_memcpy(&value, static_cast<const LdmatrixOperands*>(lanes[tile * 8 + row])->row + column * 2, 2);
    return static_cast<u32>(value);
  };
  for (int lane = 0; lane < emulator::kWarpLanes; ++lane) {
    u32* const r = static_cast<LdmatrixOperands*>(lanes[lane])->r;
    const int line = lane / 4;
    const int first = lane % 4 * 2;
    for (int tile = 0; tile < kTiles; ++tile) {
      const u32 low = kTranspose ? element(tile, first, line) : element(tile, line, first);
      const u32 high = kTranspose ? element(tile, first + 1, line) : element(tile, line, first + 1);
      r[tile] = high << 16 | low;
    }
  }
}

struct StmatrixOperands {
  const u32* r;
  u32* row;  // new contents of the row whose address this lane supplies
};

/// The reverse of ldmatrix: lane l supplies the address of row l % 8 of tile l / 8.
inline void stmatrix_x4(void* const (&lanes)[emulator::kWarpLanes]) {
  for (int lane = 0; lane < emulator::kWarpLanes; ++lane) {
    for (int i = 0; i < 4; ++i) {
      static_cast<StmatrixOperands*>(lanes[lane])->row[i] =
          static_cast<const StmatrixOperands*>(lanes[lane % 8 * 4 + i])->r[lane / 8];
    }
  }
}

}  // namespace emulated

ATTNJIT_DEVICE void ldmatrix_x4(u32 (&r)[4], u32 address, Site site = Site::here()) {
  emulated::LdmatrixOperands mine{r, machine().read_shared(site, address, 16)};
  machine().warp_collective(site, "ldmatrix.x4", &mine, emulated::ldmatrix<4, false>);
}
ATTNJIT_DEVICE void ldmatrix_x4_trans(u32 (&r)[4], u32 address, Site site = Site::here()) {
  emulated::LdmatrixOperands mine{r, machine().read_shared(site, address, 16)};
  machine().warp_collective(site, "ldmatrix.x4.trans", &mine, emulated::ldmatrix<4, true>);
}
ATTNJIT_DEVICE void stmatrix_x4(u32 address, const u32 (&r)[4], Site site = Site::here()) {
  u32 row[4];
  emulated::StmatrixOperands mine{r, row};
  machine().warp_collective(site, "stmatrix.x4", &mine, emulated::stmatrix_x4);
  __builtin_memcpy(machine().write_shared(site, address, 16), row, 16);
}

}  // namespace attnjit::kernel
