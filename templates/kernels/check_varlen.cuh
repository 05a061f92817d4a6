// Debug mode's check of a packed call, on any SM: cu_seqlens of queries and keys never decrease, stay within their
// tensors, and no sequence is longer than its max_seqlen. Launched before the kernel that trusts them.
//
// One CTA looks at every (tensor, sequence), queries first; its first thread writes the report of the first fault. The
// host has set the report to "no fault" before.
#pragma once

#include "core/first_fault.cuh"
#include "shared/check_varlen_config.h"
#include "shared/check_varlen_params.h"

namespace attnjit::kernel {

template <CheckVarlenConfig kConfig>
ATTNJIT_DEVICE void check_varlen(const CheckVarlenParams& params) {
  using Shared = FirstFaultShared<threads(kConfig)>;
  static_assert(sizeof(Shared) == smem_bytes(kConfig));
  const i64 entries = static_cast<i64>(CheckVarlenParams::kTensors) * params.batch;
  const auto is_wrong = [&](i64 entry) {
    return length_fault(params.lengths[entry / params.batch], static_cast<int>(entry % params.batch)) !=
           LengthFault::kNone;
  };
  const i64 first = first_fault<threads(kConfig)>(dynamic_shared<Shared>(), entries, is_wrong);
  if (first == entries || thread_index() != 0) return;

  const int tensor = static_cast<int>(first / params.batch);
  const int sequence = static_cast<int>(first % params.batch);
  const CumulatedLengths& lengths = params.lengths[tensor];
  CheckReport report{};
  report.fault = static_cast<int>(length_fault(lengths, sequence));
  report.tensor = tensor;
  report.sequence = sequence;
  report.values[0] = lengths.cu_seqlens[sequence];
  report.values[1] = lengths.cu_seqlens[sequence + 1];
  *params.report = report;
}

}  // namespace attnjit::kernel
