// Attention over packed variable-length sequences in which each query has its own set of keys, the same for all heads:
// top-k sparse attention computed as masked attention.
//
// The formula is that of mha_varlen (mha_varlen.hpp) with the sum over those keys that mha_varlen would let the query
// see and that its mask shows. The mask speaks of positions in the request: with `key_offset`, key j of the call is
// position key_offset[b] + j, so that one mask serves a prompt's new tokens and each chunk of its context. Blocks of
// keys that none of 64 neighbouring queries sees are skipped, and not even read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "attnjit/mask_from_topk.hpp"
#include "attnjit/mha_varlen.hpp"
#include "attnjit/workspace.hpp"

namespace attnjit {

/// What is fixed when the operator is made: what attention without a mask has.
struct MaskedMhaConfig {
  MhaVarlenConfig attention{};
  bool operator==(const MaskedMhaConfig&) const = default;
};

/// One call. Which keys the queries see is given either as a mask with its tiles, or as indices.
struct MaskedMhaParams {
  MhaVarlenParams attention{};  ///< as for mha_varlen, with the same rules

  /// int32 [Tq, topk] as for mask_from_topk (mask_from_topk.hpp), of which all positions are valid that are those of a
  /// key. The call then makes the mask, in its workspace, before it attends: where a prompt's parts are attended to one
  /// after the other, making the mask once and giving it to each call is faster.
  Tensor topk_indices{};
  /// With topk_indices and key_offset: upper bound of key_offset[b] + keys over the sequences; the caller's promise.
  std::int64_t max_positions = 0;
  /// With topk_indices: memory for the mask; none given: that of reserve().
  Workspace workspace{};

  /// Instead: int32 [Tq, words] and int32 [mask_tile_rows(Tq, B), mask_tile_words(words)], as mask_from_topk writes
  /// them. Positions from 32 * words on are not visible. Row strides are free, columns contiguous.
  Tensor mask{};
  Tensor mask_tiles{};

  /// Optional int32 [B], none negative: position in its request of each sequence's first key. Any number, also none
  /// that 64 divides.
  Tensor key_offset{};
};

/// Upper bounds of the calls that give topk_indices.
struct MaskedMhaBounds {
  std::int64_t tokens_q = 0;       ///< rows of q
  std::int64_t batch = 0;          ///< sequences
  std::int64_t max_positions = 0;  ///< of MaskedMhaParams; without key_offset max_seqlen_k
};

/// The operator. Making it compiles its kernels or loads them from the cache. Cheap to copy; thread-safe; usable on any
/// stream of the context's device.
class ATTNJIT_API MaskedMha {
 public:
  /// Throws Error(kUnsupported) that names the nearest config that is served, CompileError, Error(kNoCompiler).
  MaskedMha(const Context& context, const MaskedMhaConfig& config);

  /// As MhaVarlen::run(), with one kernel more when topk_indices are given; a graph may be replayed after masks or
  /// indices changed, too.
  void run(const MaskedMhaParams& params, Stream stream = nullptr) const;

  /// Bytes of workspace that a call with topk_indices needs; for any call within the bounds it is no more.
  static std::size_t workspace_bytes(const MaskedMhaBounds& bounds);
  /// Allocates workspace ahead of time for the calls on one stream that give topk_indices: see Workspace. Throws
  /// Error(kInvalidArgument) for CU_STREAM_PER_THREAD, Error(kDriverError) when there is no memory.
  void reserve(Stream stream, const MaskedMhaBounds& bounds) const;
  /// Frees what was reserved for the stream of the current CUDA context: see Workspace.
  void release(Stream stream) const;

  const MaskedMhaConfig& config() const noexcept;

  class Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Empty if a kernel serves `config` on `arch` ("sm_90a"), else why not and the nearest that is served.
ATTNJIT_API std::string why_unsupported(const MaskedMhaConfig& config, const std::string& arch);
inline bool supports(const MaskedMhaConfig& config, const std::string& arch) {
  return why_unsupported(config, arch).empty();
}

}  // namespace attnjit
