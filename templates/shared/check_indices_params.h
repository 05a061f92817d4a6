// Params of the kernel that checks a call's index tensors, and the checks themselves. Shared by host and device, and by
// all operators: each sets the tensors that it has and leaves the others null.
#pragma once

#include "shared/check_report.h"

namespace attnjit::kernel {

enum class IndexFault : int {
  kNone = 0,
  kNegative = 1,      // an entry is below 0
  kDecreasing = 2,    // sums[b + 1] < sums[b]
  kBeyondTensor = 3,  // sums[b + 1] > limit
  kBeyondMax = 4,     // sums[b + 1] - sums[b] > max_step
  kTooLarge = 5,      // values[b] > largest_value()
  kOutsideCache = 6,  // a page outside the cache
};

/// Running sums of lengths, such as cu_seqlens: sequence b owns entries sums[b] to sums[b + 1] of some tensor.
struct RunningSums {
  const i32* sums;  // [B + 1], or null
  i64 limit;        // upper bound of the last sum: the entries of that tensor
  i64 max_step;     // upper bound of what one sequence owns
};

/// One number per sequence, such as seq_lens.
struct BoundedValues {
  const i32* values;  // [B], or null
  i64 limit;          // upper bound; with `sums`, plus per_step for each entry that the sequence owns
  const i32* sums;    // [B + 1], or null
  i64 per_step;
};

/// Where the pages of a sequence are listed: entry `first + p` of `list` is its page p.
struct PageLists {
  const i32* list;   // or null
  const i32* begin;  // [B + 1]: first entry of each sequence; null: b * stride
  i64 stride;
  const i32* seq_lens;  // [B]: entries past ceil(length / page_size) are unused
  i32 page_size;
  i64 pages;  // pages in the cache
};

struct CheckIndicesParams {
  static constexpr int kSums = 2;
  static constexpr int kValues = 2;
  /// `tensor` in a report counts the sums, then the values, then the page lists.
  static constexpr int kPages = kSums + kValues;
  RunningSums sums[kSums];
  BoundedValues values[kValues];
  PageLists pages;
  i32 batch;  // B
  CheckReport* report;
};

ATTNJIT_HOST_DEVICE constexpr IndexFault fault_of(const RunningSums& tensor, int sequence) {
  if (tensor.sums == nullptr) return IndexFault::kNone;
  const i64 begin = tensor.sums[sequence];
  const i64 end = tensor.sums[sequence + 1];
  if (begin < 0) return IndexFault::kNegative;
  if (end < begin) return IndexFault::kDecreasing;
  if (end > tensor.limit) return IndexFault::kBeyondTensor;
  if (end - begin > tensor.max_step) return IndexFault::kBeyondMax;
  return IndexFault::kNone;
}

ATTNJIT_HOST_DEVICE constexpr i64 largest_value(const BoundedValues& tensor, int sequence) {
  if (tensor.sums == nullptr) return tensor.limit;
  const i64 owned = static_cast<i64>(tensor.sums[sequence + 1]) - tensor.sums[sequence];
  return tensor.limit + tensor.per_step * owned;
}

ATTNJIT_HOST_DEVICE constexpr IndexFault fault_of(const BoundedValues& tensor, int sequence) {
  if (tensor.values == nullptr) return IndexFault::kNone;
  if (tensor.values[sequence] < 0) return IndexFault::kNegative;
  if (tensor.values[sequence] > largest_value(tensor, sequence)) return IndexFault::kTooLarge;
  return IndexFault::kNone;
}

/// For sums and values.
ATTNJIT_HOST_DEVICE constexpr IndexFault fault_of(const CheckIndicesParams& params, int tensor, int sequence) {
  constexpr int kSums = CheckIndicesParams::kSums;
  return tensor < kSums ? fault_of(params.sums[tensor], sequence) : fault_of(params.values[tensor - kSums], sequence);
}

ATTNJIT_HOST_DEVICE constexpr i64 first_entry(const PageLists& pages, int sequence) {
  return pages.begin != nullptr ? pages.begin[sequence] : sequence * pages.stride;
}

/// Number of pages that hold keys of the sequence.
ATTNJIT_HOST_DEVICE constexpr i64 pages_in_use(const PageLists& pages, int sequence) {
  return (static_cast<i64>(pages.seq_lens[sequence]) + pages.page_size - 1) / pages.page_size;
}

ATTNJIT_HOST_DEVICE constexpr bool outside_cache(const PageLists& pages, i64 entry) {
  return pages.list[entry] < 0 || pages.list[entry] >= pages.pages;
}

}  // namespace attnjit::kernel
