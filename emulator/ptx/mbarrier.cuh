// mbarriers and named barriers on the emulator. The machine keeps their state outside shared memory.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

using Mbarrier = u64;

ATTNJIT_DEVICE void mbarrier_init(u32 barrier, u32 arrivals, Site site = Site::here()) {
  machine().mbarrier_init(site, barrier, arrivals);
}
ATTNJIT_DEVICE void mbarrier_arrive(u32 barrier, Site site = Site::here()) { machine().mbarrier_arrive(site, barrier); }
ATTNJIT_DEVICE void mbarrier_arrive_expect(u32 barrier, u32 bytes, Site site = Site::here()) {
  machine().mbarrier_arrive_expect(site, barrier, bytes);
}
ATTNJIT_DEVICE void mbarrier_wait(u32 barrier, u32 parity, Site site = Site::here()) {
  machine().mbarrier_wait(site, barrier, parity);
}
ATTNJIT_DEVICE bool mbarrier_test(u32 barrier, u32 parity, Site site = Site::here()) {
  return machine().mbarrier_test(site, barrier, parity);
}
ATTNJIT_DEVICE void fence_mbarrier_init(Site site = Site::here()) { machine().fence_mbarrier_init(site); }
ATTNJIT_DEVICE void fence_proxy_async(Site site = Site::here()) { machine().fence_proxy_async(site); }

ATTNJIT_DEVICE void named_barrier_sync(int barrier, int threads, Site site = Site::here()) {
  machine().named_barrier(site, barrier, threads, /*waits=*/true);
}
ATTNJIT_DEVICE void named_barrier_arrive(int barrier, int threads, Site site = Site::here()) {
  machine().named_barrier(site, barrier, threads, /*waits=*/false);
}

}  // namespace attnjit::kernel
