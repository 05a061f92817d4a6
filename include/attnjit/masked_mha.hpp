// Attention over packed variable-length sequences in which each query has its own set of keys, shared by all heads:
// top-k sparse attention computed as masked attention.
//
// The formula is that of mha_varlen (mha_varlen.hpp), summed over the keys that mha_varlen lets the query see and whose
// mask bit is set. The mask is indexed by position in the request: with `key_offset`, key j of the call is position
// key_offset[b] + j, so one mask serves a prompt's new tokens and each chunk of its context. Blocks of keys that none
// of 64 neighbouring queries sees are skipped and never loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "attnjit/mask_from_topk.hpp"
#include "attnjit/mha_varlen.hpp"
#include "attnjit/workspace.hpp"

namespace attnjit {

/// Fixed at construction: the config of attention without a mask.
struct MaskedMhaConfig {
  MhaVarlenConfig attention{};
  bool operator==(const MaskedMhaConfig&) const = default;
};

/// One call. Give the visible keys either as topk_indices, or as mask and mask_tiles.
struct MaskedMhaParams {
  MhaVarlenParams attention{};  ///< as for mha_varlen, under the same rules

  /// int32 [Tq, topk], as for mask_from_topk (mask_from_topk.hpp). An index counts if it is the position of a key. The
  /// call first builds the mask in its workspace, then runs attention. If a prompt takes several calls, building the
  /// mask once and passing it to each of them is faster.
  Tensor topk_indices{};
  /// With topk_indices and key_offset: upper bound of key_offset[b] + keys over the sequences, guaranteed by the
  /// caller.
  std::int64_t max_positions = 0;
  /// With topk_indices: memory for the mask. If not given, the call uses what reserve() allocated.
  Workspace workspace{};

  /// Instead of topk_indices: int32 [Tq, words] and int32 [mask_tile_rows(Tq, B), mask_tile_words(words)], as written
  /// by mask_from_topk. Positions from 32 * words on are not visible. Row strides are free; columns are contiguous.
  Tensor mask{};
  Tensor mask_tiles{};

  /// Optional int32 [B], non-negative: position in its request of each sequence's first key. Need not be a multiple of
  /// 64.
  Tensor key_offset{};
};

/// Upper bounds for calls with topk_indices.
struct MaskedMhaBounds {
  std::int64_t tokens_q = 0;       ///< rows of q
  std::int64_t batch = 0;          ///< sequences
  std::int64_t max_positions = 0;  ///< as in MaskedMhaParams; without key_offset: max_seqlen_k
};

/// The operator. Its constructor compiles the kernels or loads them from the cache. Cheap to copy; thread-safe; usable
/// on any stream of the context's device.
class ATTNJIT_API MaskedMha {
 public:
  /// Throws CompileError, Error(kNoCompiler), or Error(kUnsupported), which names the nearest supported config.
  MaskedMha(const Context& context, const MaskedMhaConfig& config);

  /// As MhaVarlen::run(), plus one kernel if topk_indices is given; a graph may also be replayed after masks or indices
  /// changed.
  void run(const MaskedMhaParams& params, Stream stream = nullptr) const;

  /// Bytes of workspace that suffice for every call with topk_indices within the bounds.
  static std::size_t workspace_bytes(const MaskedMhaBounds& bounds);
  /// Allocates workspace ahead of time for calls with topk_indices on one stream: see Workspace. Throws
  /// Error(kInvalidArgument) for CU_STREAM_PER_THREAD, Error(kDriverError) when out of memory.
  void reserve(Stream stream, const MaskedMhaBounds& bounds) const;
  /// Frees what reserve() allocated for this stream of the current CUDA context: see Workspace.
  void release(Stream stream) const;

  const MaskedMhaConfig& config() const noexcept;

  class Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Empty if a kernel serves `config` on `arch` ("sm_90a"), else the reason and the nearest supported config.
ATTNJIT_API std::string why_unsupported(const MaskedMhaConfig& config, const std::string& arch);
inline bool supports(const MaskedMhaConfig& config, const std::string& arch) {
  return why_unsupported(config, arch).empty();
}

}  // namespace attnjit
