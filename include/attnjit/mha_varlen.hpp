// Attention over packed variable-length sequences: un-absorbed MLA prefill, and ordinary MHA / GQA.
//
//   out[i, h] = sum_j softmax_j(softmax_scale * <q[i, h], k[j, h / (H / Hk)]>) v[j, h / (H / Hk)]
//
// over the keys j of i's own sequence that i sees: all of them, or with `causal` those with j <= i + len_k - len_q
// (positions within the sequence; aligned to the bottom right, as in FlashAttention 2.1).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "attnjit/context.hpp"
#include "attnjit/tensor.hpp"

namespace attnjit {

/// Fixed at construction. Lengths, head counts, strides and scales are per call and never trigger a compile.
struct MhaVarlenConfig {
  int head_dim_qk = 0;  ///< dqk: multiple of 16, 16 to 256
  int head_dim_v = 0;   ///< dv: multiple of 16, 16 to 256; may differ from dqk
  /// P: how many of the last columns of q and k may be given separately, as q_pe and k_pe. Multiple of 16, 0 to dqk.
  int rope_dim = 0;
  DType dtype = DType::kBFloat16;  ///< of q, k and v: kBFloat16 or kFloat16
  bool causal = true;
  std::optional<DType> out_dtype{};  ///< dtype (the default) or kFloat8E4M3

  bool operator==(const MhaVarlenConfig&) const = default;
};

/// One call. T tokens, B sequences, H query heads, Hk key/value heads with H % Hk == 0.
///
/// Columns are contiguous, and rows of q, k, v and out are 16-byte aligned; other strides are free and may be 0 for
/// inputs. Tokens of sequence b are rows cu_seqlens[b] to cu_seqlens[b + 1]. Rows before the first or after the last
/// sequence are ignored and not written, so a slice of cu_seqlens selects part of a batch, even none of it (B = 0),
/// which launches nothing. Sequences of length 0 are valid; a row that sees no key gets out = 0 and lse = -inf.
struct MhaVarlenParams {
  Tensor q{};               ///< [Tq, H, dqk], or q_nope and q_pe instead
  Tensor q_nope{};          ///< [Tq, H, dqk - P]
  Tensor q_pe{};            ///< [Tq, H, P]
  Tensor k{};               ///< [Tk, Hk, dqk], or k_nope and k_pe instead
  Tensor k_nope{};          ///< [Tk, Hk, dqk - P]
  Tensor k_pe{};            ///< [Tk, P], shared by all heads, or [Tk, Hk, P]
  Tensor v{};               ///< [Tk, Hk, dv]
  Tensor out{};             ///< [Tq, H, dv], out_dtype
  Tensor lse{};             ///< optional, float32 [Tq, H] with any strides (by default stored as [H, Tq]): natural
                            ///< logarithm of sum_j exp(softmax_scale * <q, k_j>)
  Tensor out_scale{};       ///< kFloat8E4M3 output: float32 [1], > 0; out = e4m3(clamp(o / out_scale, -448, 448))
  Tensor cu_seqlens_q{};    ///< int32 [B + 1], in [0, Tq], non-decreasing
  Tensor cu_seqlens_k{};    ///< int32 [B + 1], in [0, Tk], non-decreasing
  int max_seqlen_q = -1;    ///< upper bounds of the lengths, guaranteed by the caller; debug_checks verifies them. 0 if
  int max_seqlen_k = -1;    ///< all are empty, whatever the tensors hold; -1: not given, an error
  float softmax_scale = 0;  ///< finite, > 0
};

/// The operator. Its constructor compiles the kernels or loads them from the cache; this can be done ahead of time and
/// in parallel. Cheap to copy; thread-safe; usable on any stream of the context's device.
class ATTNJIT_API MhaVarlen {
 public:
  /// Throws CompileError, Error(kNoCompiler), or Error(kUnsupported), which names the nearest supported config.
  MhaVarlen(const Context& context, const MhaVarlenConfig& config);

  /// Checks the arguments and launches one kernel on `stream`: no allocation, no synchronisation, no copy; can be
  /// captured in a CUDA graph and replayed after cu_seqlens, tensor contents or out_scale changed on the device (within
  /// max_seqlen and the tensors' sizes). Throws Error before it launches anything. ContextOptions::debug_checks first
  /// checks the lengths on the device, which allocates and waits.
  ///
  /// Runs in the CUDA context that is current on this thread, or in the device's primary context if there is none.
  void run(const MhaVarlenParams& params, Stream stream = nullptr) const;

  const MhaVarlenConfig& config() const noexcept;

  class Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Empty if a kernel serves `config` on `arch` ("sm_90a"), else the reason and the nearest supported config. Compiles
/// nothing and needs neither GPU nor driver.
ATTNJIT_API std::string why_unsupported(const MhaVarlenConfig& config, const std::string& arch);
inline bool supports(const MhaVarlenConfig& config, const std::string& arch) {
  return why_unsupported(config, arch).empty();
}

/// The operator's name in MLA models.
using MlaPrefill = MhaVarlen;
using MlaPrefillConfig = MhaVarlenConfig;
using MlaPrefillParams = MhaVarlenParams;

}  // namespace attnjit
