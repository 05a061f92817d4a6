// Turns top-k indices into a mask of keys, as masked_mha takes it: one bit per query and key, and one bit per 64
// queries x 64 keys, by which attention skips what nobody sees.
//
//   bit j % 32 of mask[i, j / 32] = position j is among topk_indices[i, :]
//   bit t % 32 of mask_tiles[row, t / 32] = any of the row's queries sees any of the positions 64 t to 64 t + 63
//
// Positions count the keys of i's own request from its first one on. An index that is negative, or not below the
// request's length, means none, wherever it stands; duplicates count once. A row of mask_tiles belongs to 64
// consecutive queries of a sequence: its queries 64 r to 64 r + 63 have row cu_seqlens_q[b] / 64 + b + r.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "attnjit/context.hpp"
#include "attnjit/tensor.hpp"

namespace attnjit {

/// Nothing about this operator is fixed when it is made.
struct MaskFromTopkConfig {
  bool operator==(const MaskFromTopkConfig&) const = default;
};

/// Words of a row of `mask`: enough bits for requests of up to `max_seqlen` keys.
constexpr std::int64_t mask_words(std::int64_t max_seqlen) { return (max_seqlen + 31) / 32; }
/// Rows of `mask_tiles` for B sequences with Tq queries in all.
constexpr std::int64_t mask_tile_rows(std::int64_t tokens_q, std::int64_t batch) { return tokens_q / 64 + batch; }
/// Words of a row of `mask_tiles`, beside a mask of so many words.
constexpr std::int64_t mask_tile_words(std::int64_t words) { return (words + 63) / 64; }

/// One call. Tq tokens, B sequences; queries of sequence b are the rows cu_seqlens_q[b] to cu_seqlens_q[b + 1].
struct MaskFromTopkParams {
  Tensor topk_indices{};  ///< int32 [Tq, topk], topk any number; the row stride is free, the columns contiguous
  Tensor cu_seqlens_q{};  ///< int32 [B + 1], within 0 and Tq, not decreasing; rows of no sequence stay as they are
  /// int32 [B]: keys of each request. Not given: all positions that the mask has bits for are valid.
  Tensor seq_lens{};
  /// Out, int32 [Tq, words], see mask_words(); positions from 32 * words on are dropped. Row stride free, columns
  /// contiguous; on Hopper attention is faster where rows begin at multiples of 16 bytes. Every word of a row that
  /// belongs to a sequence is written.
  Tensor mask{};
  /// Out, int32 [mask_tile_rows(Tq, B), mask_tile_words(words)], likewise. Rows that have no query are left alone.
  Tensor mask_tiles{};
};

/// The operator. Making it compiles its kernel or loads it from the cache. Cheap to copy; thread-safe; usable on any
/// stream of the context's device.
class ATTNJIT_API MaskFromTopk {
 public:
  /// Throws CompileError, Error(kNoCompiler).
  explicit MaskFromTopk(const Context& context, const MaskFromTopkConfig& config = {});

  /// Checks the arguments and launches one kernel on `stream`, as MhaVarlen::run() does: no allocation, no
  /// synchronisation, no copy; can be captured in a CUDA graph and replayed after indices and lengths changed on the
  /// device. Throws Error before anything is launched.
  void run(const MaskFromTopkParams& params, Stream stream = nullptr) const;

  const MaskFromTopkConfig& config() const noexcept;

  class Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Empty if `arch` ("sm_90a") is served, else why not.
ATTNJIT_API std::string why_unsupported(const MaskFromTopkConfig& config, const std::string& arch);
inline bool supports(const MaskFromTopkConfig& config, const std::string& arch) {
  return why_unsupported(config, arch).empty();
}

}  // namespace attnjit
