// One test case of mla_decode as data: config, lengths, memory layouts of tensors and pages, and their contents.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "attnjit/mla_decode.hpp"
#include "verify/mha_varlen/case.h"
#include "verify/storage.h"
#include "verify/variant.h"

namespace attnjit::gpu_tests {

enum class CacheForm { kJoint, kApart };  ///< cache, or latent and rope
enum class PageForm {
  kTable,        ///< block_table
  kPaddedTable,  ///< one with a gap between its rows, filled with garbage
  kIndices,      ///< kv_indptr and kv_indices
};
/// How lse [B, s_q, H] is stored; for packed tokens kBatchFirst equals kHeadsFirst.
enum class DecodeLse { kNone, kBatchFirst, kHeadsFirst, kTokensFirst, kPadded };

struct DecodeCase {
  std::string name;
  MlaDecodeConfig config;
  std::vector<int> seq_lens;
  int seqlen_q = 1;
  std::vector<int> packed_q{};  // not empty: packed tokens, this many per sequence
  int heads = 16;
  Variant variant = Variant::kOwn;
  int sms = 0;  // SM count to plan for: the keys are cut into about this many splits. 0: the device's

  QueryForm q_form = QueryForm::kJoint;
  CacheForm cache_form = CacheForm::kJoint;
  PageForm pages = PageForm::kTable;
  Storage q = Storage::kPadded;  // for q or q_nope
  Storage q_pe = Storage::kPadded;
  Storage cache = Storage::kPadded;  // for cache or latent: "tokens" are pages, "heads" their slots
  Storage rope = Storage::kPadded;
  Storage out = Storage::kPadded;
  DecodeLse lse = DecodeLse::kBatchFirst;

  /// If not empty, this cache has every cp_world-th key of sequences with these lengths.
  std::vector<int> total_seq_lens{};
  int cp_rank = 0;
  int cp_world = 1;

  Data data = Data::kNormal;
  float softmax_scale = 0;     // 0: 1 / sqrt(192)
  float cache_scale = 0.03f;   // for an e4m3 cache; 0: not given
  float out_scale = 0.0625f;   // for e4m3 output
  int max_seqlen_slack = 0;    // how much max_seqlen_q of packed tokens exceeds the real length
  int table_slack = 0;         // entries in the table's rows after the longest sequence
  int shared_sequences = 0;    // > 0: sequences b and b + this share their pages
  int poisoned_sequence = -1;  // its q and keys are NaN and infinities; its rows are not judged
  std::uint64_t seed = 1;

  bool e4m3_output() const { return config.out_dtype == DType::kFloat8E4M3; }
  int batch() const { return static_cast<int>(seq_lens.size()); }
  std::vector<int> len_q() const { return packed_q.empty() ? std::vector<int>(seq_lens.size(), seqlen_q) : packed_q; }
};

/// What is compiled for a case; shared between cases.
struct DecodeUse {
  MlaDecodeConfig config;
  Variant variant = Variant::kOwn;
  bool operator==(const DecodeUse&) const = default;
};

std::string describe(const MlaDecodeConfig& config);  // "512p64_bf16_e4m3_page64_causal"
/// Features to plan a case with; `own` are those of the compile target.
runtime::SmFeatures features_of(const DecodeCase& c, const runtime::SmFeatures& own);

/// How GoogleTest prints a case.
void PrintTo(const DecodeCase& c, std::ostream* stream);

}  // namespace attnjit::gpu_tests
