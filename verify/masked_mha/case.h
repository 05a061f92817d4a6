// A test case of masked_mha and mask_from_topk as data: attention, and the keys its queries see.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "verify/mha_varlen/case.h"

namespace attnjit::gpu_tests {

/// What attention gets: a mask built by mask_from_topk, or the indices.
enum class MaskForm { kMask, kIndices };

/// What a query's indices contain.
enum class Sight {
  kRandom,    ///< any positions: some repeated, some negative or out of range
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
  std::vector<int> key_offset{};  // per sequence; empty: not given
  int later_keys = 0;             // keys of each request after those of this call
  int hole_first = 0;             // positions hidden from all queries, whatever the sight
  int hole_count = 0;
  int nan_first = 0;  // keys of sequence 0, counted within the call, whose K and V are NaN
  int nan_count = 0;
  Storage indices = Storage::kPadded;
  Storage mask = Storage::kPadded;
  bool seq_lens = true;  // whether mask_from_topk gets it

  int offset(int sequence) const { return key_offset.empty() ? 0 : key_offset[static_cast<std::size_t>(sequence)]; }
  /// Number of keys of a sequence's request.
  int request(int sequence) const {
    return offset(sequence) + attention.len_k[static_cast<std::size_t>(sequence)] + later_keys;
  }
};

void PrintTo(const MaskedCase& c, std::ostream* stream);

}  // namespace attnjit::gpu_tests
