// Chunked prefill as engines do it, compared with one call over all keys. New tokens attend causally to themselves and,
// chunk by chunk, in full to the context before them. Each part's result is merged into the previous ones; the last
// merge may quantize. Dense or under a per-query key mask. Used on a GPU and on the emulator.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "attnjit/masked_mha.hpp"
#include "attnjit/merge_states.hpp"
#include "attnjit/mha_varlen.hpp"
#include "verify/reference/accuracy.h"
#include "verify/reference/plain_kernels.h"

namespace attnjit::gpu_tests {

struct ChunkedCase {
  std::string name;
  std::vector<int> len_new;      // per request
  std::vector<int> len_context;  // keys before them
  int chunk = 64;                // positions of a request per chunk
  int empty_chunks = 0;          // chunks after the last key of every request
  int heads = 2;
  int nope_dim = 128;
  int rope_dim = 64;
  int head_dim_v = 128;
  int topk = 0;  // > 0: each query sees this many positions of its request, drawn separately for each
  bool e4m3_output = false;
  std::uint64_t seed = 1;

  MhaVarlenConfig attention(bool causal, bool e4m3) const;
  MergeStatesConfig merge(bool e4m3) const;
};
void PrintTo(const ChunkedCase& c, std::ostream* stream);

/// Runs the operators.
class ChunkRunner {
 public:
  virtual ~ChunkRunner() = default;
  virtual void attend(const MhaVarlenConfig& config, const MhaVarlenParams& params) const = 0;
  virtual void attend(const MaskedMhaConfig& config, const MaskedMhaParams& params) const = 0;
  /// Builds the mask shared by all parts.
  virtual void build(const MaskFromTopkParams& params) const = 0;
  virtual void merge(const MergeStatesConfig& config, const MergeStatesParams& params) const = 0;
};

struct ChunkedResult {
  reference::Verdict chunked_out, chunked_lse;      // parts and merges
  reference::Verdict unchunked_out, unchunked_lse;  // one call
  /// Empty if all are within the bar.
  std::string trouble() const;
};
/// Compares both ways with the float64 reference over all keys. The low-precision baseline for parts and merges runs
/// the same chain in plain loops, rounding each part and each merge to 16 bits.
ChunkedResult run_chunked_prefill(const ChunkedCase& c, const ChunkRunner& runner,
                                  const reference::PlainKernels& plain);

}  // namespace attnjit::gpu_tests
