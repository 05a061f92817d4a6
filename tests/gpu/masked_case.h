// One test case of masked_mha and mask_from_topk as data: attention, and which keys its queries see.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "tests/gpu/case.h"

namespace attnjit::gpu_tests {

/// How attention learns it: from a mask that mask_from_topk made, or from the indices.
enum class MaskForm { kMask, kIndices };

/// What the indices of a query name.
enum class Sight {
  kRandom,    ///< any positions: some twice, some negative or out of range
  kAll,       ///< every position: attention without a mask, if topk is large enough
  kWindow,    ///< the last topk positions up to the query's own
  kNone,      ///< -1 everywhere
  kSomeRows,  ///< kRandom for every third query, none for the others
};

struct MaskedCase {
  Case attention;
  MaskForm form = MaskForm::kMask;
  Sight sight = Sight::kRandom;
  int topk = 48;
  std::vector<int> key_offset{};  // of each sequence; empty: not given
  int later_keys = 0;             // of each request, behind those of this call
  int hole_first = 0;             // positions that no query sees, whatever the sight
  int hole_count = 0;
  int nan_first = 0;  // keys of sequence 0, counted in the call, whose K and V are NaN
  int nan_count = 0;
  Storage indices = Storage::kPadded;
  Storage mask = Storage::kPadded;
  bool seq_lens = true;  // given to mask_from_topk

  int offset(int sequence) const { return key_offset.empty() ? 0 : key_offset[static_cast<std::size_t>(sequence)]; }
  /// Keys of a sequence's request.
  int request(int sequence) const {
    return offset(sequence) + attention.len_k[static_cast<std::size_t>(sequence)] + later_keys;
  }
};

void PrintTo(const MaskedCase& c, std::ostream* stream);

}  // namespace attnjit::gpu_tests
