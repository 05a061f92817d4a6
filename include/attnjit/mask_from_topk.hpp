// Turns top-k indices into the key mask that masked_mha takes: one bit per query and key, and one bit per tile of 64
// queries x 64 keys, which lets attention skip tiles that no query sees.
//
//   bit j % 32 of mask[i, j / 32] = position j is among topk_indices[i, :]
//   bit t % 32 of mask_tiles[row, t / 32] = any of the row's queries sees any of the positions 64 t to 64 t + 63
//
// Positions count from the first key of query i's own request. An index that is negative or not below the request's
// length is ignored, wherever it stands; duplicates count once. A row of mask_tiles covers 64 consecutive queries of a
// sequence: queries 64 r to 64 r + 63 of sequence b have row cu_seqlens_q[b] / 64 + b + r.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "attnjit/context.hpp"
#include "attnjit/tensor.hpp"

namespace attnjit {

/// This operator has no config.
struct MaskFromTopkConfig {
  bool operator==(const MaskFromTopkConfig&) const = default;
};

/// Words per row of `mask` for requests of up to `max_seqlen` keys.
constexpr std::int64_t mask_words(std::int64_t max_seqlen) { return (max_seqlen + 31) / 32; }
/// Rows of `mask_tiles` for B sequences with Tq queries in total.
constexpr std::int64_t mask_tile_rows(std::int64_t tokens_q, std::int64_t batch) { return tokens_q / 64 + batch; }
/// Words per row of `mask_tiles` for a mask with `words` words per row.
constexpr std::int64_t mask_tile_words(std::int64_t words) { return (words + 63) / 64; }

/// One call. Tq tokens, B sequences; queries of sequence b are rows cu_seqlens_q[b] to cu_seqlens_q[b + 1].
struct MaskFromTopkParams {
  Tensor topk_indices{};  ///< int32 [Tq, topk], any topk; the row stride is free, columns are contiguous
  Tensor cu_seqlens_q{};  ///< int32 [B + 1], in [0, Tq], non-decreasing; rows of no sequence are not written
  /// int32 [B]: number of keys of each request. If not given, every position that has a mask bit is valid.
  Tensor seq_lens{};
  /// Output, int32 [Tq, words], see mask_words(). Positions from 32 * words on are dropped. The row stride is free,
  /// columns are contiguous; on Hopper, attention is faster if rows are 16-byte aligned. Every word of a row that
  /// belongs to a sequence is written.
  Tensor mask{};
  /// Output, int32 [mask_tile_rows(Tq, B), mask_tile_words(words)], likewise. Rows without a query are not written.
  Tensor mask_tiles{};
};

/// The operator. Its constructor compiles the kernel or loads it from the cache. Cheap to copy; thread-safe; usable on
/// any stream of the context's device.
class ATTNJIT_API MaskFromTopk {
 public:
  /// Throws CompileError or Error(kNoCompiler).
  explicit MaskFromTopk(const Context& context, const MaskFromTopkConfig& config = {});

  /// Checks the arguments and launches one kernel on `stream`, like MhaVarlen::run(): no allocation, no
  /// synchronisation, no copy; can be captured in a CUDA graph and replayed after indices and lengths changed on the
  /// device. Throws Error before it launches anything.
  void run(const MaskFromTopkParams& params, Stream stream = nullptr) const;

  const MaskFromTopkConfig& config() const noexcept;

  class Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Empty if `arch` ("sm_90a") is supported, else the reason.
ATTNJIT_API std::string why_unsupported(const MaskFromTopkConfig& config, const std::string& arch);
inline bool supports(const MaskFromTopkConfig& config, const std::string& arch) {
  return why_unsupported(config, arch).empty();
}

}  // namespace attnjit
