// One test case of mha_varlen as data: config, lengths, memory layouts and contents of the tensors.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "attnjit/mha_varlen.hpp"
#include "verify/storage.h"
#include "verify/variant.h"

namespace attnjit::gpu_tests {

enum class Data {
  kNormal,       ///< randn
  kLargeScores,  ///< scores up to +-1e4
  kDominantKey,  ///< one key that takes all the weight
  kEqualKeys,    ///< all keys equal: every probability is the same
};

enum class QueryForm { kJoint, kApart };               ///< q, or q_nope and q_pe
enum class KeyForm { kJoint, kApart, kApartPerHead };  ///< k, or k_nope with k_pe [Tk, P] or [Tk, Hk, P]

struct Case {
  std::string name;
  MhaVarlenConfig config;
  std::vector<int> len_q;
  std::vector<int> len_k;
  int heads = 2;
  int kv_heads = 2;
  Variant variant = Variant::kOwn;
  Tiles tiles = Tiles::kAsPlanned;

  QueryForm q_form = QueryForm::kJoint;
  KeyForm k_form = KeyForm::kJoint;
  Storage q = Storage::kPadded;  // for q or q_nope
  Storage q_pe = Storage::kPadded;
  Storage k = Storage::kPadded;  // for k or k_nope
  Storage k_pe = Storage::kPadded;
  Storage v = Storage::kPadded;
  Storage out = Storage::kPadded;
  bool v_beside_k = false;  // v is the last columns of a tensor that starts with k or k_nope
  LseStorage lse = LseStorage::kHeadsFirst;

  Data data = Data::kNormal;
  float softmax_scale = 0;     // 0: 1 / sqrt(dqk)
  float out_scale = 0.0625f;   // for e4m3 output
  int max_seqlen_slack = 0;    // how much max_seqlen_q and max_seqlen_k exceed the real lengths
  int spare_tokens = 0;        // rows of the tensors after the last sequence
  int poisoned_sequence = -1;  // its q, k and v are NaN and infinities; its rows are not judged
  std::uint64_t seed = 1;

  bool e4m3_output() const { return config.out_dtype == DType::kFloat8E4M3; }
};

/// What is compiled for a case; shared between cases.
struct OperatorUse {
  MhaVarlenConfig config;
  Variant variant = Variant::kOwn;
  bool operator==(const OperatorUse&) const = default;
};

std::string describe(const MhaVarlenConfig& config);  // "192x128p64_bf16_causal"

/// How GoogleTest prints a case.
void PrintTo(const Case& c, std::ostream* stream);

}  // namespace attnjit::gpu_tests
