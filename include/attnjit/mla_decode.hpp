// Absorbed MLA decode over a paged latent cache (DeepSeek-V2, arXiv:2405.04434, section 2.1): all heads share one key
// per token, whose first R columns are also its value.
//
//   out[b, i, h] = sum_j softmax_j(softmax_scale * <q[b, i, h], key[b, j]>) key[b, j][0:R]
//
// over the keys j of sequence b that query i sees: all of them, or with `causal` those with j <= i + seq_lens[b] - s_q.
// The new tokens are the last tokens of the sequence.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "attnjit/context.hpp"
#include "attnjit/tensor.hpp"
#include "attnjit/workspace.hpp"

namespace attnjit {

/// Storage format of a row of the latent cache.
enum class CacheFormat : int {
  kSame = 0,     ///< R + P values of the operator's dtype
  kE4M3 = 1,     ///< R + P e4m3 codes; value = code * cache_scale, one float32 for the whole cache
  kE4M3Rows = 2  ///< 656 bytes, for R = 512 and P = 64: 512 e4m3 codes, 4 float32 scales (code c uses scale
                 ///< c / 128), 64 bf16 rope values. A value is code * scale, rounded to the operator's dtype
};

/// Fixed at construction. Lengths, head counts, strides and scales are per call and never trigger a compile.
struct MlaDecodeConfig {
  int kv_lora_rank = 0;            ///< R; (R, P) is (512, 64), (256, 64), (256, 32) or (512, 0)
  int rope_dim = 0;                ///< P
  DType dtype = DType::kBFloat16;  ///< of q: kBFloat16 or kFloat16
  CacheFormat cache_format = CacheFormat::kSame;
  int page_size = 64;                ///< tokens per page: 1 (a flat list of slots), 16, 32, 64 or 128
  bool causal = true;                ///< among the new tokens; no effect if s_q is 1
  std::optional<DType> out_dtype{};  ///< dtype (the default) or kFloat8E4M3

  bool operator==(const MlaDecodeConfig&) const = default;
};

/// Upper bounds for the calls that use a workspace.
struct MlaDecodeBounds {
  int batch = 0;         ///< B
  int max_seqlen_q = 1;  ///< s_q
  int num_heads = 0;     ///< H
};

/// One call. B sequences, s_q new tokens each, H heads (1 to 128).
///
/// Columns are contiguous, and rows of q, cache and out are 16-byte aligned; other strides are free and may be 0 for
/// inputs. If the number of new tokens varies, pack q and out as [Tq, H, columns] and lse as [Tq, H], and give
/// cu_seqlens_q and max_seqlen_q. A row that sees no key gets out = 0 and lse = -inf; length 0 is valid.
struct MlaDecodeParams {
  Tensor q{};       ///< [B, s_q, H, R + P], or q_nope and q_pe instead
  Tensor q_nope{};  ///< [B, s_q, H, R]
  Tensor q_pe{};    ///< [B, s_q, H, P]

  Tensor cache{};        ///< [pages, page_size, R + P], or latent and rope instead; kE4M3Rows: kFloat8E4M3 [.., 656]
  Tensor latent{};       ///< [pages, page_size, R]
  Tensor rope{};         ///< [pages, page_size, P]
  Tensor cache_scale{};  ///< kE4M3, optional: float32 [1]; 1 without it

  Tensor block_table{};  ///< int32 [B, max_pages], or kv_indptr and kv_indices instead; entries beyond a
                         ///< sequence's ceil(seq_lens / page_size) pages are never read
  Tensor kv_indptr{};    ///< int32 [B + 1]: start of each sequence's pages in kv_indices
  Tensor kv_indices{};   ///< int32 [any]
  Tensor seq_lens{};     ///< int32 [B]: keys of each sequence in this cache, including this call's new tokens

  Tensor cu_seqlens_q{};  ///< packed tokens: int32 [B + 1], in [0, Tq], non-decreasing; rows of no sequence are
                          ///< not written
  int max_seqlen_q = -1;  ///< packed tokens: upper bound of a sequence's new tokens (-1: not given, an error);
                          ///< ignored otherwise

  Tensor out{};        ///< [B, s_q, H, R], out_dtype
  Tensor lse{};        ///< optional, float32 [B, s_q, H] with any strides (by default stored as [B, H, s_q]): natural
                       ///< logarithm of sum_j exp(softmax_scale * <q, key_j>)
  Tensor out_scale{};  ///< kFloat8E4M3 output: float32 [1], > 0; out = e4m3(clamp(o / out_scale, -448, 448))

  /// Decode context parallelism with interleaved tokens: key j of this cache is key j * cp_world + cp_rank of the
  /// sequence, which has total_seq_lens keys in total; `causal` uses these global positions. Combine the ranks' results
  /// with merge_states.
  Tensor total_seq_lens{};  ///< optional, int32 [B]
  int cp_rank = 0;          ///< 0 to cp_world - 1
  int cp_world = 1;         ///< 1 without total_seq_lens

  float softmax_scale = 0;  ///< finite, > 0; from the model's un-absorbed head dim, not from R + P

  Workspace workspace{};  ///< at least workspace_bytes() of bounds that cover this call; or use reserve()
};

/// The operator. Its constructor compiles the kernels or loads them from the cache; this can be done ahead of time and
/// in parallel. Cheap to copy; thread-safe; usable on any stream of the context's device.
class ATTNJIT_API MlaDecode {
 public:
  /// Throws CompileError, Error(kNoCompiler), or Error(kUnsupported), which names what is supported.
  MlaDecode(const Context& context, const MlaDecodeConfig& config);

  /// Bytes of workspace that suffice for every call within these bounds. Depends on the device's SM count.
  std::size_t workspace_bytes(const MlaDecodeBounds& bounds) const;

  /// Allocates workspace ahead of time for calls on one stream: see Workspace. Throws Error(kInvalidArgument) for
  /// CU_STREAM_PER_THREAD, Error(kDriverError) when out of memory.
  void reserve(Stream stream, const MlaDecodeBounds& bounds) const;
  /// Frees what reserve() allocated for this stream of the current CUDA context: see Workspace.
  void release(Stream stream) const;

  /// Checks the arguments and launches at most two kernels on `stream`: no allocation, no synchronisation, no copy; can
  /// be captured in a CUDA graph and replayed after lengths, page lists, tensor contents or scales changed on the
  /// device. Throws Error before it launches anything. ContextOptions::debug_checks first checks lengths and pages on
  /// the device, which allocates and waits.
  ///
  /// Runs in the CUDA context that is current on this thread, or in the device's primary context if there is none.
  void run(const MlaDecodeParams& params, Stream stream = nullptr) const;

  const MlaDecodeConfig& config() const noexcept;

  class Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Empty if a kernel serves `config` on `arch` ("sm_90a"), else the reason and what is supported. Compiles nothing and
/// needs neither GPU nor driver.
ATTNJIT_API std::string why_unsupported(const MlaDecodeConfig& config, const std::string& arch);
inline bool supports(const MlaDecodeConfig& config, const std::string& arch) {
  return why_unsupported(config, arch).empty();
}

}  // namespace attnjit
