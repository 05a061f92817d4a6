// Debug mode: checks the index tensors of a call, on any SM, before the kernels that trust them run. Running sums must
// never decrease and stay within their tensors and bounds, lengths and offsets within theirs, and pages in use within
// the cache.
//
// The grid is one CTA, which checks everything; its first thread writes the report of the first fault. The host has set
// the report to "no fault" before the launch.
#pragma once

#include "core/first_fault.cuh"
#include "shared/check_indices_config.h"
#include "shared/check_indices_params.h"

namespace attnjit::kernel {

ATTNJIT_DEVICE void report_lengths(const CheckIndicesParams& params, int tensor, int sequence) {
  constexpr int kSums = CheckIndicesParams::kSums;
  CheckReport report{};
  report.fault = static_cast<int>(fault_of(params, tensor, sequence));
  report.tensor = tensor;
  report.sequence = sequence;
  if (tensor < kSums) {
    report.values[0] = params.sums[tensor].sums[sequence];
    report.values[1] = params.sums[tensor].sums[sequence + 1];
  } else {
    const BoundedValues& checked = params.values[tensor - kSums];
    report.values[0] = checked.values[sequence];
    report.values[1] = largest_value(checked, sequence);
  }
  *params.report = report;
}

ATTNJIT_DEVICE void report_page(const CheckIndicesParams& params, int sequence, int page) {
  const i64 entry = first_entry(params.pages, sequence) + page;
  CheckReport report{};
  report.fault = static_cast<int>(IndexFault::kOutsideCache);
  report.tensor = CheckIndicesParams::kPages;
  report.sequence = sequence;
  report.position = page;
  report.values[0] = params.pages.list[entry];
  report.values[1] = entry;
  *params.report = report;
}

template <CheckIndicesConfig kConfig>
ATTNJIT_DEVICE void check_indices(const CheckIndicesParams& params) {
  constexpr int kThreads = threads(kConfig);
  using Shared = FirstFaultShared<kThreads>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  Shared& shared = dynamic_shared<Shared>();

  // ---- per-sequence values: all sequences of one tensor, then of the next
  const i64 entries = static_cast<i64>(CheckIndicesParams::kPages) * params.batch;
  i64 first = thread_index();
  while (first < entries && fault_of(params, static_cast<int>(first / params.batch),
                                     static_cast<int>(first % params.batch)) == IndexFault::kNone) {
    first += kThreads;
  }
  first = smallest<kThreads>(shared, first);
  if (first < entries) {
    if (thread_index() == 0) {
      report_lengths(params, static_cast<int>(first / params.batch), static_cast<int>(first % params.batch));
    }
    return;
  }
  if (params.pages.list == nullptr) return;

  // ---- pages. The lengths and offsets of the page lists have passed, so they can be trusted here.
  sync_block();  // every thread has read the others' results
  constexpr i64 kNone = static_cast<i64>(1) << 62;
  first = kNone;  // sequence * 2^32 + page
  for (int sequence = 0; sequence < params.batch && first == kNone; ++sequence) {
    const i64 begin = first_entry(params.pages, sequence);
    const i64 count = pages_in_use(params.pages, sequence);
    for (i64 page = thread_index(); page < count; page += kThreads) {
      if (!outside_cache(params.pages, begin + page)) continue;
      first = (static_cast<i64>(sequence) << 32) + page;
      break;
    }
  }
  first = smallest<kThreads>(shared, first);
  if (first != kNone && thread_index() == 0) {
    report_page(params, static_cast<int>(first >> 32), static_cast<int>(first & 0x7fffffff));
  }
}

}  // namespace attnjit::kernel
