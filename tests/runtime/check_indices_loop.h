// What debug mode's check kernel must find, as plain loops. The emulator's tests compare the kernel with them, and the
// fake driver runs them in the kernel's place.
#pragma once

#include "templates/shared/check_indices_params.h"

namespace attnjit::test {

inline kernel::CheckReport first_fault_by_loops(const kernel::CheckIndicesParams& params) {
  using kernel::IndexFault;
  constexpr int kSums = kernel::CheckIndicesParams::kSums, kPages = kernel::CheckIndicesParams::kPages;
  for (int tensor = 0; tensor < kPages; ++tensor) {
    for (int b = 0; b < params.batch; ++b) {
      const int fault = static_cast<int>(fault_of(params, tensor, b));
      if (fault == 0) continue;
      if (tensor < kSums) return {fault, tensor, b, 0, {params.sums[tensor].sums[b], params.sums[tensor].sums[b + 1]}};
      const kernel::BoundedValues& values = params.values[tensor - kSums];
      return {fault, tensor, b, 0, {values.values[b], largest_value(values, b)}};
    }
  }
  const kernel::PageLists& pages = params.pages;
  if (pages.list == nullptr) return {};
  for (int b = 0; b < params.batch; ++b) {
    // Counts keys rather than pages, so that this cannot repeat an error in the kernel's rounding up.
    for (int key = 0; key < pages.seq_lens[b]; key += pages.page_size) {
      const int page = key / pages.page_size;
      const std::int64_t entry = (pages.begin != nullptr ? pages.begin[b] : b * pages.stride) + page;
      if (pages.list[entry] >= 0 && pages.list[entry] < pages.pages) continue;
      return {static_cast<int>(IndexFault::kOutsideCache), kPages, b, page, {pages.list[entry], entry}};
    }
  }
  return {};
}

}  // namespace attnjit::test
