// Merges attention states, i.e. results (out, lse) of the same queries over disjoint sets of keys, into the state over
// all of these keys:
//
//   lse[t, h] = ln sum_n exp(lse_n[t, h])        out[t, h] = sum_n exp(lse_n[t, h] - lse[t, h]) out_n[t, h]
//
// (Juravsky et al., arXiv:2402.05099). For chunked prefill, split-KV and decode context parallelism.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "attnjit/context.hpp"
#include "attnjit/tensor.hpp"

namespace attnjit {

/// Fixed at construction.
struct MergeStatesConfig {
  int head_dim = 0;                  ///< d: multiple of 16, 16 to 512
  DType dtype = DType::kBFloat16;    ///< of the states' out: kFloat32, kBFloat16 or kFloat16
  std::optional<DType> out_dtype{};  ///< dtype (the default), kFloat32, kBFloat16, kFloat16 or kFloat8E4M3

  bool operator==(const MergeStatesConfig&) const = default;
};

/// One call. T tokens, H heads, N states.
///
/// Give two states as out_a, lse_a, out_b and lse_b, or any number as outs and lses. Columns are contiguous, and rows
/// of outs and out are 16-byte aligned; other strides are free and may be 0 for inputs. Strides of lse are free: it may
/// be stored as [H, T], as attention writes it by default, or as [T, H].
///
/// A state whose lse is -inf has seen no key: its out, which may hold NaN or be uninitialised, does not enter the
/// result. An lse of +inf or NaN counts as -inf. If no state has seen a key, out = 0 and lse = -inf.
///
/// out may alias the out of a state, and lse its lse: same pointer, type and strides. Any other overlap of outputs and
/// inputs gives undefined results.
struct MergeStatesParams {
  Tensor out_a{};      ///< [T, H, d]
  Tensor lse_a{};      ///< float32 [T, H], natural logarithm
  Tensor out_b{};      ///< [T, H, d]
  Tensor lse_b{};      ///< float32 [T, H]
  Tensor outs{};       ///< instead of a and b: [N, T, H, d]
  Tensor lses{};       ///< float32 [N, T, H]
  Tensor out{};        ///< [T, H, d], out_dtype
  Tensor lse{};        ///< optional, float32 [T, H]
  Tensor out_scale{};  ///< kFloat8E4M3 output: float32 [1], > 0; out = e4m3(clamp(o / out_scale, -448, 448))
};

/// The operator. Its constructor compiles the kernel or loads it from the cache. Cheap to copy; thread-safe; usable on
/// any stream of the context's device.
class ATTNJIT_API MergeStates {
 public:
  /// Throws CompileError, Error(kNoCompiler), or Error(kUnsupported), which names the nearest supported config.
  MergeStates(const Context& context, const MergeStatesConfig& config);

  /// Checks the arguments and launches one kernel on `stream`: no allocation, no synchronisation, no copy; can be
  /// captured in a CUDA graph and replayed after tensor contents changed. Throws Error before it launches anything.
  ///
  /// Runs in the CUDA context that is current on this thread, or in the device's primary context if there is none.
  void run(const MergeStatesParams& params, Stream stream = nullptr) const;

  const MergeStatesConfig& config() const noexcept;

  class Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Empty if a kernel serves `config` on `arch` ("sm_90a"), else the reason and the nearest supported config. Compiles
/// nothing and needs neither GPU nor driver.
ATTNJIT_API std::string why_unsupported(const MergeStatesConfig& config, const std::string& arch);
inline bool supports(const MergeStatesConfig& config, const std::string& arch) {
  return why_unsupported(config, arch).empty();
}

}  // namespace attnjit
