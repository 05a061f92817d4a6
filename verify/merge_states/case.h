// One test case of merge_states as data.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "attnjit/merge_states.hpp"
#include "verify/storage.h"
#include "verify/variant.h"

namespace attnjit::gpu_tests {

/// How the states are passed.
enum class StateForm {
  kTwo,          ///< out_a, lse_a, out_b, lse_b
  kStatesFirst,  ///< outs stored [N, T, H, d]
  kTokensFirst,  ///< outs stored [T, N, H, d]
};

/// Where out and lse are written.
enum class InPlace { kNo, kFirstState, kLastState };

enum class LseData {
  kNormal,  ///< around 5, as for attention over a few hundred keys
  kFar,     ///< +-1e4: one state gets all the weight
  kEqual,   ///< all equal
};

struct MergeCase {
  std::string name;
  MergeStatesConfig config;
  int tokens = 1;
  int heads = 1;
  int states = 2;
  Variant variant = Variant::kOwn;

  StateForm form = StateForm::kTwo;
  InPlace in_place = InPlace::kNo;
  Storage outs = Storage::kPadded;
  Storage out = Storage::kPadded;
  LseStorage lses = LseStorage::kHeadsFirst;  // not kNone
  LseStorage lse = LseStorage::kHeadsFirst;

  LseData lse_data = LseData::kNormal;
  /// lse of states without keys, cycled over the states; their rows of out are NaN. Empty: every state has keys.
  std::vector<float> absent{};
  /// Period in tokens at which a state has no keys: 1 means every token, 0 a different period for each state.
  int absent_period = 0;
  int poisoned_token = -1;  // its outs are NaN with a finite lse; it is not judged
  int spare_tokens = 0;     // rows of the tensors beyond those the call gets
  float out_scale = 0.0625f;
  std::uint64_t seed = 1;

  DType out_dtype() const { return config.out_dtype.value_or(config.dtype); }
};

std::string describe(const MergeStatesConfig& config);  // "merge_128_bf16_to_e4m3"
void PrintTo(const MergeCase& c, std::ostream* stream);

}  // namespace attnjit::gpu_tests
