// Reduction that finds the first of the faults found by the threads of a CTA.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

template <int kThreads>
struct FirstFaultShared {
  i64 first[kThreads];  // result of each thread
};

/// Returns to every thread the smallest `found` of the CTA (the grid has only one). The first fault rather than any, so
/// that checking a call twice gives the same report.
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
