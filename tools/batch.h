// A batch of sequences as a word: segments joined by `_`, each `[count]q<len>[k][s<len>[k]]`. count sequences of q new
// tokens that attend to s keys in all (default: q); k means x1024. "q512s4k_3q1" is one sequence and three.
#pragma once

#include <string>
#include <vector>

namespace attnjit::tools {

struct Batch {
  std::vector<int> len_q;
  std::vector<int> len_k;
};

/// Throws attnjit::Error(kInvalidArgument) that names the segment.
Batch parse_batch(const std::string& text);

}  // namespace attnjit::tools
