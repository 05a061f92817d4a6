// Decode over shards of the keys, one after the other as ranks of context parallelism do it side by side, their states
// joined by merge_states, against one call over all keys. Used on a GPU and on the emulator.
#pragma once

#include <iosfwd>
#include <string>

#include "attnjit/merge_states.hpp"
#include "tests/gpu/decode_case.h"
#include "tests/reference/accuracy.h"
#include "tests/reference/plain_kernels.h"

namespace attnjit::gpu_tests {

struct ShardedCase {
  DecodeCase whole;  // in pages of one slot: a shard is the same cache seen through other page lists
  int world = 2;
  bool interleaved = false;  // rank r has every world-th key from r on, else a contiguous share

  std::string name() const;  // "contiguous_2_bf16"
  /// Of the shards: their states are in 16 bits.
  DecodeCase shard() const;
  MergeStatesConfig merge() const;
};
void PrintTo(const ShardedCase& c, std::ostream* stream);

/// Who runs the operators.
class ShardRunner {
 public:
  virtual ~ShardRunner() = default;
  /// Of the case only what an operator is made from.
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
/// Both ways against the float64 reference over all keys. The yardstick of the shards is the same by plain loops: each
/// shard's result rounded to 16 bits, then merged.
ShardedResult run_sharded_decode(const ShardedCase& c, const ShardRunner& runner, const reference::PlainKernels& plain);

}  // namespace attnjit::gpu_tests
