// The library's operators on the emulator: kernels, schedules and arguments are the library's own; the tensors are in
// host memory.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "emulator/launcher.h"
#include "operators/kernel_set.h"
#include "operators/mask_from_topk/kernels.h"
#include "operators/masked_mha/kernels.h"
#include "operators/merge_states/kernels.h"
#include "operators/mha_varlen/kernels.h"
#include "operators/mla_decode/kernels.h"

namespace attnjit::emulator {

/// An operator's own choice of kernels and argument check, overloaded by config.
inline auto choose(const MhaVarlenConfig& config, const runtime::SmFeatures& features) {
  return runtime::choose_mha_varlen(config, features);
}
inline auto choose(const MaskedMhaConfig& config, const runtime::SmFeatures& features) {
  return runtime::choose_masked_mha(config, features);
}
inline auto choose(const MaskFromTopkConfig& config, const runtime::SmFeatures& features) {
  return runtime::choose_mask_from_topk(config, features);
}
inline auto choose(const MlaDecodeConfig& config, const runtime::SmFeatures& features) {
  return runtime::choose_mla_decode(config, features);
}
inline auto choose(const MergeStatesConfig& config, const runtime::SmFeatures& features) {
  return runtime::choose_merge_states(config, features);
}
inline auto check(const MhaVarlenConfig& config, const MhaVarlenParams& params) {
  return runtime::check_mha_varlen(config, params);
}
inline auto check(const MaskedMhaConfig& config, const MaskedMhaParams& params) {
  return runtime::check_masked_mha(config, params);
}
inline auto check(const MaskFromTopkConfig&, const MaskFromTopkParams& params) {
  return runtime::check_mask_from_topk(params);
}
inline auto check(const MlaDecodeConfig& config, const MlaDecodeParams& params) {
  return runtime::check_mla_decode(config, params);
}
inline auto check(const MergeStatesConfig& config, const MergeStatesParams& params) {
  return runtime::check_merge_states(config, params);
}

/// A launch that is ready to run, alone or concurrently with others.
struct PreparedLaunch {
  const KernelObject* object = nullptr;
  Grid grid{.ctas = 0};  // no CTAs: nothing to do
  std::unique_ptr<runtime::ArgsStorage> storage = std::make_unique<runtime::ArgsStorage>();
  const void* args = nullptr;

  ConcurrentLaunch launch() const { return {object->function, args, grid}; }
};

template <class Config>
class EmulatedOperator {
 public:
  /// Throws whatever the operator throws for a config that no kernel serves.
  EmulatedOperator(KernelObjects& objects, const Config& config, const runtime::SmFeatures& features,
                   const runtime::Forced& forced = {})
      : objects_(objects), config_(config), kernels_(choose(config, features)), forced_(forced) {}

  /// All pointers in `params` are to host memory. Throws whatever the operator's run() throws, and KernelFault.
  template <class Params>
  OperatorRun run(const Params& params, const LaunchOptions& options) const {
    const auto call = check(config_, params);
    Workspace given;
    if constexpr (requires { params.workspace; }) given = params.workspace;
    EmulatedLauncher launcher(objects_, kernels_->plans(), options, given);
    runtime::run(*kernels_, call, kernels_->schedule(call, forced_), launcher);
    return launcher.run();
  }

  /// Everything but the launch itself, for a call that consists of one launch.
  template <class Params>
  PreparedLaunch prepare(const Params& params, EmulatedStream stream) const {
    const auto call = check(config_, params);
    const LaunchOptions options;
    EmulatedLauncher launcher(objects_, kernels_->plans(), options, {}, stream);
    const runtime::Schedule schedule = kernels_->schedule(call, forced_);
    PreparedLaunch prepared;
    if (schedule.empty()) return prepared;
    prepared.object = &launcher.object(schedule[0].plan);
    prepared.grid = launcher.grid(schedule[0]);
    prepared.args = kernels_->args(call, schedule, 0, nullptr, launcher, *prepared.storage);
    return prepared;
  }

 private:
  KernelObjects& objects_;
  Config config_;
  decltype(choose(std::declval<Config>(), std::declval<runtime::SmFeatures>())) kernels_;
  runtime::Forced forced_;
};

using EmulatedMhaVarlen = EmulatedOperator<MhaVarlenConfig>;
using EmulatedMaskedMha = EmulatedOperator<MaskedMhaConfig>;
using EmulatedMaskFromTopk = EmulatedOperator<MaskFromTopkConfig>;
using EmulatedMlaDecode = EmulatedOperator<MlaDecodeConfig>;
using EmulatedMergeStates = EmulatedOperator<MergeStatesConfig>;

}  // namespace attnjit::emulator
