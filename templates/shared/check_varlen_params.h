// What the check of a packed call's lengths is told, and what it looks for. One text for host and device.
#pragma once

#include "shared/check_report.h"

namespace attnjit::kernel {

/// What may be wrong with sequence b, in the order in which it is asked.
enum class LengthFault : int {
  kNone = 0,
  kNegative = 1,      // cu_seqlens[b] < 0
  kDecreasing = 2,    // cu_seqlens[b + 1] < cu_seqlens[b]
  kBeyondTensor = 3,  // cu_seqlens[b + 1] > tokens
  kBeyondMax = 4,     // cu_seqlens[b + 1] - cu_seqlens[b] > max_seqlen
};

/// One cu_seqlens and what the caller promised of it.
struct CumulatedLengths {
  const i32* cu_seqlens;  // [B + 1]
  i64 tokens;             // that its tensor has
  i32 max_seqlen;
};

struct CheckVarlenParams {
  static constexpr int kTensors = 2;  // queries, keys
  CumulatedLengths lengths[kTensors];
  i32 batch;  // B
  CheckReport* report;
};

ATTNJIT_HOST_DEVICE constexpr LengthFault length_fault(const CumulatedLengths& lengths, int sequence) {
  const i64 begin = lengths.cu_seqlens[sequence];
  const i64 end = lengths.cu_seqlens[sequence + 1];
  if (begin < 0) return LengthFault::kNegative;
  if (end < begin) return LengthFault::kDecreasing;
  if (end > lengths.tokens) return LengthFault::kBeyondTensor;
  if (end - begin > lengths.max_seqlen) return LengthFault::kBeyondMax;
  return LengthFault::kNone;
}

}  // namespace attnjit::kernel
