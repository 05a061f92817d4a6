// Which of many entries is the first that is wrong: what all check kernels have in common.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

template <int kThreads>
struct FirstFaultShared {
  i64 first[kThreads];  // what each thread found, or the count
};

/// The smallest i of [0, count) with is_wrong(i), or count if there is none; every thread of the one CTA gets it. The
/// first fault and not any, so that a call that is checked twice is told the same.
template <int kThreads, class IsWrong>
ATTNJIT_DEVICE i64 first_fault(FirstFaultShared<kThreads>& shared, i64 count, const IsWrong& is_wrong) {
  i64 first = thread_index();
  while (first < count && !is_wrong(first)) first += kThreads;
  shared.first[thread_index()] = first;
  sync_block();
  first = count;
  for (int thread = 0; thread < kThreads; ++thread) {
    if (shared.first[thread] < first) first = shared.first[thread];
  }
  return first;
}

}  // namespace attnjit::kernel
