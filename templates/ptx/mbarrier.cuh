// mbarrier: counts thread arrivals and bytes of asynchronous copies in shared memory, phase by phase (SM 9.0 on).
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

/// An mbarrier object in shared memory.
using Mbarrier = u64;

/// PTX ISA 9.7.13.15.9, mbarrier.init: a phase completes after `arrivals` arrivals.
ATTNJIT_DEVICE void mbarrier_init(u32 barrier, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
/// PTX ISA 9.7.13.15.13, mbarrier.arrive.
ATTNJIT_DEVICE void mbarrier_arrive(u32 barrier) {
  asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
/// PTX ISA 9.7.13.15.13, mbarrier.arrive.expect_tx: one arrival; the phase also waits for `bytes` of copies.
ATTNJIT_DEVICE void mbarrier_arrive_expect(u32 barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}
/// PTX ISA 9.7.13.15.16, mbarrier.try_wait.parity: waits until the phase of this parity has completed. A fresh barrier
/// is in phase 0; waiting for parity 1 on it returns at once.
ATTNJIT_DEVICE void mbarrier_wait(u32 barrier, u32 parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 done, [%0], %1;\n"
      "@done bra.uni ended;\n"
      "bra.uni again;\n"
      "ended:\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}
/// PTX ISA 9.7.13.15.16, mbarrier.test_wait.parity: whether that phase has completed. Does not wait.
ATTNJIT_DEVICE bool mbarrier_test(u32 barrier, u32 parity) {
  u32 done;
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "mbarrier.test_wait.parity.acquire.cta.shared::cta.b64 done, [%1], %2;\n"
      "selp.u32 %0, 1, 0, done;\n"
      "}"
      : "=r"(done)
      : "r"(barrier), "r"(parity)
      : "memory");
  return done != 0;
}
/// PTX ISA 9.7.13.4, fence.mbarrier_init: makes initialized mbarriers visible to the async proxy.
ATTNJIT_DEVICE void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
/// PTX ISA 9.7.13.4, fence.proxy.async: orders this thread's writes to shared memory before what the async proxy (TMA,
/// wgmma) does after the next barrier.
ATTNJIT_DEVICE void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/// PTX ISA 9.7.13.1, bar.sync and bar.arrive on one of the 16 named barriers; `threads` counts all participants.
ATTNJIT_DEVICE void named_barrier_sync(int barrier, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
ATTNJIT_DEVICE void named_barrier_arrive(int barrier, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

}  // namespace attnjit::kernel
