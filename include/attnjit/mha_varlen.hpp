// Attention over packed variable-length sequences: MLA prefill in its un-absorbed form, and ordinary MHA /
// GQA.
//
//   out[i, h] = sum_j softmax_j(softmax_scale * <q[i, h], k[j, h / (H / Hk)]>) v[j, h / (H / Hk)]
//
// over the keys j of i's own sequence that i sees: all of them, or with `causal` those with
// j <= i + len_k - len_q (positions within the sequence; aligned to the bottom right, as FlashAttention 2.1
// has it).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "attnjit/context.hpp"
#include "attnjit/tensor.hpp"

namespace attnjit {

/// What is fixed when the operator is made. Lengths, head counts, strides and scales are not: they never
/// compile anything.
struct MhaVarlenConfig {
  int head_dim_qk = 0;  ///< dqk: multiple of 16, 16 to 256
  int head_dim_v = 0;   ///< dv: multiple of 16, 16 to 256; may differ from dqk
  /// P: how many of the last columns of q and k may be given apart, as q_pe and k_pe. Multiple of 16, 0 to
  /// dqk.
  int rope_dim = 0;
  DType dtype = DType::kBFloat16;  ///< of q, k and v: kBFloat16 or kFloat16
  bool causal = true;
  std::optional<DType> out_dtype{};  ///< dtype (the default) or kFloat8E4M3

  bool operator==(const MhaVarlenConfig&) const = default;
};

/// One call. T tokens, B sequences, H query heads, Hk key/value heads with H % Hk == 0.
///
/// Columns are contiguous, and rows of q, k, v and out start at multiples of 16 bytes; other strides are free
/// and may be 0 for inputs. Tokens of sequence b are rows cu_seqlens[b] to cu_seqlens[b + 1]. Rows of no
/// sequence, before the first or behind the last, do not matter and are not written: a slice of cu_seqlens serves a
/// part of a batch, also one of no sequence (B = 0), which launches nothing. Sequences of length 0 are normal; a row
/// that sees no key gets out = 0 and lse = -inf.
struct MhaVarlenParams {
  Tensor q{};             ///< [Tq, H, dqk], or q_nope and q_pe instead
  Tensor q_nope{};        ///< [Tq, H, dqk - P]
  Tensor q_pe{};          ///< [Tq, H, P]
  Tensor k{};             ///< [Tk, Hk, dqk], or k_nope and k_pe instead
  Tensor k_nope{};        ///< [Tk, Hk, dqk - P]
  Tensor k_pe{};          ///< [Tk, P], shared by all heads, or [Tk, Hk, P]
  Tensor v{};             ///< [Tk, Hk, dv]
  Tensor out{};           ///< [Tq, H, dv], out_dtype
  Tensor lse{};           ///< optional, float32 [Tq, H] with any strides (by default stored as [H, Tq]): natural
                          ///< logarithm of sum_j exp(softmax_scale * <q, k_j>)
  Tensor out_scale{};     ///< kFloat8E4M3 output: float32 [1], > 0; out = e4m3(clamp(o / out_scale, -448, 448))
  Tensor cu_seqlens_q{};  ///< int32 [B + 1], within 0 and Tq, not decreasing
  Tensor cu_seqlens_k{};  ///< int32 [B + 1], within 0 and Tk, not decreasing
  int max_seqlen_q = -1;  ///< upper bounds of the lengths; the caller's promise, which debug_checks checks. 0 where all
  int max_seqlen_k = -1;  ///< are empty, whatever the tensors hold; -1: not given, which is refused
  float softmax_scale = 0;  ///< finite, > 0
};

/// The operator. Making it compiles its kernels or loads them from the cache; that can be done ahead of time
/// and in parallel. Cheap to copy; thread-safe; usable on any stream of the context's device.
class ATTNJIT_API MhaVarlen {
 public:
  /// Throws Error(kUnsupported) that names the nearest config that is served, CompileError,
  /// Error(kNoCompiler).
  MhaVarlen(const Context& context, const MhaVarlenConfig& config);

  /// Checks the arguments and launches one kernel on `stream`: no allocation, no synchronisation, no copy;
  /// can be captured in a CUDA graph and replayed after cu_seqlens, tensors' contents or out_scale changed on
  /// the device (within max_seqlen and the tensors' sizes). Throws Error before anything is launched. With
  /// ContextOptions::debug_checks it checks the lengths on the device first, and then it allocates and waits.
  ///
  /// Runs in the CUDA context that is current on this thread; without one, in the device's primary context.
  void run(const MhaVarlenParams& params, Stream stream = nullptr) const;

  const MhaVarlenConfig& config() const noexcept;

  class Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Empty if a kernel serves `config` on `arch` ("sm_90a"), else why not and the nearest that is served.
/// Compiles nothing and needs neither GPU nor driver.
ATTNJIT_API std::string why_unsupported(const MhaVarlenConfig& config, const std::string& arch);
inline bool supports(const MhaVarlenConfig& config, const std::string& arch) {
  return why_unsupported(config, arch).empty();
}

/// MLA models know the operator by this name.
using MlaPrefill = MhaVarlen;
using MlaPrefillConfig = MhaVarlenConfig;
using MlaPrefillParams = MhaVarlenParams;

}  // namespace attnjit
