// Text form of a batch.
//
// For attention: sequences, as segments joined by `_`, each `[count]q<len>[k][s<len>[k]][o<position>[k]]`: count
// sequences of q new tokens attending to s keys (default: q), the first of which is at position o of its request
// (default: 0); k means x1024. "q512s4k_3q1" is one sequence plus three. For a merge: `[count]t<tokens>[k]`, count
// states (default: 2) of that many tokens.
#pragma once

#include <string>
#include <vector>

namespace attnjit::tools {

struct Batch {
  std::vector<int> len_q;
  std::vector<int> len_k;
  std::vector<int> offset;

  bool has_offsets() const;
};

struct States {
  int count = 2;
  int tokens = 0;
};

/// Throw attnjit::Error(kInvalidArgument) naming the segment.
Batch parse_batch(const std::string& text);
States parse_states(const std::string& text);

}  // namespace attnjit::tools
