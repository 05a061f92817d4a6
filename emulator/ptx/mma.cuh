// mma.sync m16n8k16 on the emulator. The ISA leaves the order of the sums and their rounding open ("at least single
// precision"); here the products are exact and are added to d one after another in float32.
#pragma once

#include "ptx/builtins.cuh"
#include "ptx/numbers.h"

namespace attnjit::kernel {

namespace emulated {

struct MmaOperands {
  float* d;
  const u32* a;
  u32 b[2];
};

template <Element kElement>
void mma_m16n8k16(void* const (&lanes)[emulator::kWarpLanes]) {
  float a[16][16];
  float b[16][8];
  float d[16][8];
  for (int lane = 0; lane < emulator::kWarpLanes; ++lane) {
    const MmaOperands& from = *static_cast<const MmaOperands*>(lanes[lane]);
    const int line = lane / 4;
    const int first = lane % 4 * 2;
    for (int i = 0; i < 4; ++i) {
      for (int half = 0; half < 2; ++half) {
        a[line + i % 2 * 8][first + i / 2 * 8 + half] = float_of_16bit<kElement>(from.a[i] >> half * 16);
      }
    }
    for (int i = 0; i < 2; ++i) {
      for (int half = 0; half < 2; ++half) {
        b[first + i * 8 + half][line] = float_of_16bit<kElement>(from.b[i] >> half * 16);
      }
    }
    for (int i = 0; i < 4; ++i) d[line + i / 2 * 8][first + i % 2] = from.d[i];
  }
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < 16; ++k) {
      for (int column = 0; column < 8; ++column) d[row][column] += a[row][k] * b[k][column];
    }
  }
  for (int lane = 0; lane < emulator::kWarpLanes; ++lane) {
    float* const to = static_cast<MmaOperands*>(lanes[lane])->d;
    for (int i = 0; i < 4; ++i) to[i] = d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

}  // namespace emulated

template <Element kElement>
ATTNJIT_DEVICE void mma_m16n8k16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, Site site = Site::here()) {
  static_assert(kElement == Element::kBFloat16 || kElement == Element::kFloat16);
  emulated::MmaOperands mine{d, a, {b0, b1}};
  machine().warp_collective(site, "mma.m16n8k16", &mine, emulated::mma_m16n8k16<kElement>);
}

}  // namespace attnjit::kernel
