// Joins attention states, that is results (out, lse) of the same queries over disjoint sets of keys, into the state
// over all of these keys:
//
//   lse[t, h] = ln sum_n exp(lse_n[t, h])        out[t, h] = sum_n exp(lse_n[t, h] - lse[t, h]) out_n[t, h]
//
// (Juravsky et al., arXiv:2402.05099). Chunked prefill, split keys and decode context parallelism are merged by it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "attnjit/context.hpp"
#include "attnjit/tensor.hpp"

namespace attnjit {

/// What is fixed when the operator is made.
struct MergeStatesConfig {
  int head_dim = 0;                  ///< d: multiple of 16, 16 to 512
  DType dtype = DType::kBFloat16;    ///< of the states' out: kFloat32, kBFloat16 or kFloat16
  std::optional<DType> out_dtype{};  ///< dtype (the default), kFloat32, kBFloat16, kFloat16 or kFloat8E4M3

  bool operator==(const MergeStatesConfig&) const = default;
};

/// One call. T tokens, H heads, N states.
///
/// Two states are given as out_a, lse_a, out_b and lse_b, any number as outs and lses. Columns are contiguous, and rows
/// of outs and out start at multiples of 16 bytes; other strides are free and may be 0 for inputs. Strides of lse are
/// free: it may be stored [H, T], as attention writes it by default, or [T, H].
///
/// A state whose lse is -inf has seen no key: nothing of its out enters the result, which may hold NaN or never have
/// been written. An lse of +inf or NaN counts as -inf. Where no state has seen a key, out = 0 and lse = -inf.
///
/// out may be the out of a state, and lse its lse: the same pointer with the same type and strides. Any other overlap
/// of outputs and inputs gives undefined results.
struct MergeStatesParams {
  Tensor out_a{};      ///< [T, H, d]
  Tensor lse_a{};      ///< float32 [T, H], natural logarithm
  Tensor out_b{};      ///< [T, H, d]
  Tensor lse_b{};      ///< float32 [T, H]
  Tensor outs{};       ///< instead: [N, T, H, d]
  Tensor lses{};       ///< float32 [N, T, H]
  Tensor out{};        ///< [T, H, d], out_dtype
  Tensor lse{};        ///< optional, float32 [T, H]
  Tensor out_scale{};  ///< kFloat8E4M3 output: float32 [1], > 0; out = e4m3(clamp(o / out_scale, -448, 448))
};

/// The operator. Making it compiles its kernel or loads it from the cache. Cheap to copy; thread-safe; usable on any
/// stream of the context's device.
class ATTNJIT_API MergeStates {
 public:
  /// Throws Error(kUnsupported) that names the nearest config that is served, CompileError, Error(kNoCompiler).
  MergeStates(const Context& context, const MergeStatesConfig& config);

  /// Checks the arguments and launches one kernel on `stream`: no allocation, no synchronisation, no copy; can be
  /// captured in a CUDA graph and replayed after the tensors' contents changed. Throws Error before anything is
  /// launched.
  ///
  /// Runs in the CUDA context that is current on this thread; without one, in the device's primary context.
  void run(const MergeStatesParams& params, Stream stream = nullptr) const;

  const MergeStatesConfig& config() const noexcept;

  class Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Empty if a kernel serves `config` on `arch` ("sm_90a"), else why not and the nearest that is served.
/// Compiles nothing and needs neither GPU nor driver.
ATTNJIT_API std::string why_unsupported(const MergeStatesConfig& config, const std::string& arch);
inline bool supports(const MergeStatesConfig& config, const std::string& arch) {
  return why_unsupported(config, arch).empty();
}

}  // namespace attnjit
