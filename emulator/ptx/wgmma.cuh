// wgmma on the emulator: the machine computes it, since the operation outlives the call that issues it.
#pragma once

#include "ptx/builtins.cuh"
#include "shared/wgmma_descriptor.h"

namespace attnjit::kernel {

ATTNJIT_DEVICE void wgmma_fence(Site site = Site::here()) { machine().wgmma_fence(site); }
ATTNJIT_DEVICE void wgmma_commit(Site site = Site::here()) { machine().wgmma_commit(site); }
template <int kPending>
ATTNJIT_DEVICE void wgmma_wait(Site site = Site::here()) {
  machine().wgmma_wait(site, kPending);
}
/// The machine has the address of the accumulators, so the compiler knows that a wait may change them.
template <int kTiles>
ATTNJIT_DEVICE void wgmma_pin(float (&)[kTiles][4]) {}

namespace emulated {

template <Element kElement, int kSteps, int kTiles>
inline void wgmma_ss(float (&d)[kTiles][4], u64 a, u64 b, bool accumulate, Site site) {
  for (u32 step = 0; step < kSteps; ++step) {
    machine().wgmma(site, {&d[0][0], nullptr, wgmma_advance(a, step * 32), wgmma_advance(b, step * 32), kTiles * 8,
                           kElement, /*b_by_rows=*/true, accumulate || step > 0});
  }
}
template <Element kElement, int kTiles>
inline void wgmma_rs(float (&d)[kTiles][4], const u32 (*a)[4], u64 b, bool accumulate, Site site) {
  for (u32 step = 0; step < 4; ++step) {
    machine().wgmma(site, {&d[0][0], a[step], 0, wgmma_advance(b, step * 2048), kTiles * 8, kElement,
                           /*b_by_rows=*/false, accumulate || step > 0});
  }
}

}  // namespace emulated

template <Element kElement, int kSteps>
ATTNJIT_DEVICE void wgmma_ss(float (&d)[8][4], u64 a, u64 b, bool accumulate, Site site = Site::here()) {
  emulated::wgmma_ss<kElement, kSteps>(d, a, b, accumulate, site);
}
template <Element kElement>
ATTNJIT_DEVICE void wgmma_rs(float (&d)[8][4], const u32 (*a)[4], u64 b, bool accumulate, Site site = Site::here()) {
  emulated::wgmma_rs<kElement>(d, a, b, accumulate, site);
}
template <Element kElement, int kSteps>
ATTNJIT_DEVICE void wgmma_ss(float (&d)[12][4], u64 a, u64 b, bool accumulate, Site site = Site::here()) {
  emulated::wgmma_ss<kElement, kSteps>(d, a, b, accumulate, site);
}
template <Element kElement>
ATTNJIT_DEVICE void wgmma_rs(float (&d)[12][4], const u32 (*a)[4], u64 b, bool accumulate, Site site = Site::here()) {
  emulated::wgmma_rs<kElement>(d, a, b, accumulate, site);
}
template <Element kElement, int kSteps>
ATTNJIT_DEVICE void wgmma_ss(float (&d)[16][4], u64 a, u64 b, bool accumulate, Site site = Site::here()) {
  emulated::wgmma_ss<kElement, kSteps>(d, a, b, accumulate, site);
}
template <Element kElement>
ATTNJIT_DEVICE void wgmma_rs(float (&d)[16][4], const u32 (*a)[4], u64 b, bool accumulate, Site site = Site::here()) {
  emulated::wgmma_rs<kElement>(d, a, b, accumulate, site);
}

template <int kRegisters>
ATTNJIT_DEVICE void setmaxnreg_inc(Site site = Site::here()) {
  machine().set_registers(site, kRegisters);
}
template <int kRegisters>
ATTNJIT_DEVICE void setmaxnreg_dec(Site site = Site::here()) {
  machine().set_registers(site, kRegisters);
}

}  // namespace attnjit::kernel
