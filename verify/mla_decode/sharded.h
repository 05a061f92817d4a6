// Decode over shards of the keys, compared with one call over all keys. The shards run one after the other, where ranks
// of context parallelism run them side by side; merge_states merges their states. Used on a GPU and on the emulator.
#pragma once

#include <iosfwd>
#include <string>

#include "attnjit/merge_states.hpp"
#include "verify/mla_decode/case.h"
#include "verify/reference/accuracy.h"
#include "verify/reference/plain_kernels.h"

namespace attnjit::gpu_tests {

struct ShardedCase {
  DecodeCase whole;  // in pages of one slot: a shard is the same cache seen through different page lists
  int world = 2;
  bool interleaved = false;  // rank r has every world-th key from r on, else a contiguous share

  std::string name() const;  // "contiguous_2_bf16"
  /// The case of a shard: its states are in 16 bits.
  DecodeCase shard() const;
  MergeStatesConfig merge() const;
};
void PrintTo(const ShardedCase& c, std::ostream* stream);

/// Runs the operators.
class ShardRunner {
 public:
  virtual ~ShardRunner() = default;
  /// Uses only what the case says about creating the operator.
  virtual void decode(const DecodeCase& c, const MlaDecodeParams& params, const MlaDecodeBounds& bounds) const = 0;
  virtual void merge(const MergeStatesConfig& config, const MergeStatesParams& params) const = 0;
};

struct ShardedResult {
  reference::Verdict joined_out, joined_lse;  // shards and their merge
  reference::Verdict whole_out, whole_lse;    // one call
  std::string wrong_place;
  /// Empty if all are within the bar.
  std::string trouble() const;
};
/// Compares both ways with the float64 reference over all keys. The low-precision baseline for the shards does the same
/// in plain loops: each shard's result is rounded to 16 bits, then merged.
ShardedResult run_sharded_decode(const ShardedCase& c, const ShardRunner& runner, const reference::PlainKernels& plain);

}  // namespace attnjit::gpu_tests
