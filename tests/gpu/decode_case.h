// One test case of mla_decode as data: a config, lengths, how tensors and pages lie in memory and what they hold.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "attnjit/mla_decode.hpp"
#include "tests/gpu/case.h"
#include "tests/gpu/storage.h"
#include "tests/gpu/variant.h"

namespace attnjit::gpu_tests {

enum class CacheForm { kJoint, kApart };  ///< cache, or latent and rope
enum class PageForm {
  kTable,        ///< block_table
  kPaddedTable,  ///< one whose rows are apart, garbage between them
  kIndices,      ///< kv_indptr and kv_indices
};
/// How lse [B, s_q, H] is stored; of packed tokens kBatchFirst is kHeadsFirst.
enum class DecodeLse { kNone, kBatchFirst, kHeadsFirst, kTokensFirst, kPadded };

struct DecodeCase {
  std::string name;
  MlaDecodeConfig config;
  std::vector<int> seq_lens;
  int seqlen_q = 1;
  std::vector<int> packed_q{};  // not empty: packed tokens, so many of each sequence
  int heads = 16;
  Variant variant = Variant::kOwn;
  int sms = 0;  // how many SMs the plan believes in: it cuts the keys into about as many parts. 0: the device's

  QueryForm q_form = QueryForm::kJoint;
  CacheForm cache_form = CacheForm::kJoint;
  PageForm pages = PageForm::kTable;
  Storage q = Storage::kPadded;  // of q or q_nope
  Storage q_pe = Storage::kPadded;
  Storage cache = Storage::kPadded;  // of cache or latent: "tokens" are pages, "heads" their slots
  Storage rope = Storage::kPadded;
  Storage out = Storage::kPadded;
  DecodeLse lse = DecodeLse::kBatchFirst;

  /// Not empty: this cache has every cp_world-th key of sequences that are so long.
  std::vector<int> total_seq_lens{};
  int cp_rank = 0;
  int cp_world = 1;

  Data data = Data::kNormal;
  float softmax_scale = 0;     // 0: 1 / sqrt(192)
  float cache_scale = 0.03f;   // of an e4m3 cache; 0: none is given
  float out_scale = 0.0625f;   // of e4m3 output
  int max_seqlen_slack = 0;    // how much max_seqlen_q of packed tokens is too large
  int table_slack = 0;         // entries of the table's rows behind the longest sequence
  int shared_sequences = 0;    // > 0: sequences b and b + this share their pages
  int poisoned_sequence = -1;  // its q and keys are NaN and infinities; its rows are not judged
  std::uint64_t seed = 1;

  bool e4m3_output() const { return config.out_dtype == DType::kFloat8E4M3; }
  int batch() const { return static_cast<int>(seq_lens.size()); }
  std::vector<int> len_q() const { return packed_q.empty() ? std::vector<int>(seq_lens.size(), seqlen_q) : packed_q; }
};

/// What is compiled for a case; cases share these.
struct DecodeUse {
  MlaDecodeConfig config;
  Variant variant = Variant::kOwn;
  bool operator==(const DecodeUse&) const = default;
};

std::string describe(const MlaDecodeConfig& config);  // "512p64_bf16_e4m3_page64_causal"
/// Features that a case plans with; `own` are those of the compile target.
runtime::SmFeatures features_of(const DecodeCase& c, const runtime::SmFeatures& own);

/// How GoogleTest prints a case.
void PrintTo(const DecodeCase& c, std::ostream* stream);

}  // namespace attnjit::gpu_tests
