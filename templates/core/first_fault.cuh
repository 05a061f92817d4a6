// Which of the faults that the threads of a CTA found comes first.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

template <int kThreads>
struct FirstFaultShared {
  i64 first[kThreads];  // what each thread found
};

/// The smallest of what the threads of the one CTA found; every thread gets it. The first fault and not any, so that a
/// call that is checked twice is told the same.
template <int kThreads>
ATTNJIT_DEVICE i64 smallest(FirstFaultShared<kThreads>& shared, i64 found) {
  shared.first[thread_index()] = found;
  sync_block();
  for (int thread = 0; thread < kThreads; ++thread) {
    if (shared.first[thread] < found) found = shared.first[thread];
  }
  return found;
}

}  // namespace attnjit::kernel
