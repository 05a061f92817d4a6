// Chunked prefill as an engine does it, against one call over all keys: new tokens attend causally to themselves and,
// chunk by chunk, in full to the context before them; each part's result is merged into the ones before, the last merge
// may quantise. Dense or under a mask of each query's keys. Used on a GPU and on the emulator.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "attnjit/masked_mha.hpp"
#include "attnjit/merge_states.hpp"
#include "attnjit/mha_varlen.hpp"
#include "tests/reference/accuracy.h"
#include "tests/reference/plain_kernels.h"

namespace attnjit::gpu_tests {

struct ChunkedCase {
  std::string name;
  std::vector<int> len_new;      // of each request
  std::vector<int> len_context;  // keys before them
  int chunk = 64;                // positions of a request that a chunk covers
  int empty_chunks = 0;          // chunks behind the last key of every request
  int heads = 2;
  int nope_dim = 128;
  int rope_dim = 64;
  int head_dim_v = 128;
  int topk = 0;  // > 0: each query sees so many positions of its request, drawn anew for each
  bool e4m3_output = false;
  std::uint64_t seed = 1;

  MhaVarlenConfig attention(bool causal, bool e4m3) const;
  MergeStatesConfig merge(bool e4m3) const;
};
void PrintTo(const ChunkedCase& c, std::ostream* stream);

/// Who runs the operators.
class ChunkRunner {
 public:
  virtual ~ChunkRunner() = default;
  virtual void attend(const MhaVarlenConfig& config, const MhaVarlenParams& params) const = 0;
  virtual void attend(const MaskedMhaConfig& config, const MaskedMhaParams& params) const = 0;
  /// Makes the mask that all parts share.
  virtual void build(const MaskFromTopkParams& params) const = 0;
  virtual void merge(const MergeStatesConfig& config, const MergeStatesParams& params) const = 0;
};

struct ChunkedResult {
  reference::Verdict chunked_out, chunked_lse;      // parts and merges
  reference::Verdict unchunked_out, unchunked_lse;  // one call
  /// Empty if all are within the bar.
  std::string trouble() const;
};
/// Both ways against the float64 reference over all keys. The yardstick of parts and merges is the same chain by plain
/// loops: each part and each merge rounded to 16 bits.
ChunkedResult run_chunked_prefill(const ChunkedCase& c, const ChunkRunner& runner,
                                  const reference::PlainKernels& plain);

}  // namespace attnjit::gpu_tests
