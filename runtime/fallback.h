// What serves an operator whose fastest kernels no NVRTC on this machine builds: the kernels for every SM.
#pragma once

#include <optional>
#include <vector>

#include "attnjit/context.hpp"
#include "attnjit/error.hpp"
#include "runtime/context_impl.h"
#include "runtime/kernel_plan.h"
#include "runtime/operator_config.h"
#include "runtime/sm_features.h"

namespace attnjit::runtime {

/// The features whose kernels serve an operator that `why` keeps from being made with the context's own; nothing where
/// compilers are not to blame, where the slower kernels cannot be had either, or where FallbackPolicy forbids them.
std::optional<SmFeatures> fallback_features(const Context& context, const OperatorConfig& config, const Error& why);
/// Counts an operator that got slower kernels, and says so once.
void note_fallback(const Context& context, const OperatorConfig& config, const Error& why);

/// make(features) with the context's own features, or with those of the fallback.
template <class Make>
auto make_with_fallback(const Context& context, const OperatorConfig& config, const Make& make) {
  try {
    return make(context.impl()->features());
  } catch (const Error& why) {
    const std::optional<SmFeatures> slower = fallback_features(context, config, why);
    if (!slower) throw;
    auto made = make(*slower);
    note_fallback(context, config, why);
    return made;
  }
}

/// The kernels to compile ahead of time for an operator: its fastest, or where no NVRTC on this machine builds them and
/// not all are in the cache (or `recompile` ignores it), those that serve then. Opens NVRTC only if it matters. Throws
/// jit::CompilerTooOld where FallbackPolicy forbids the slower ones.
std::vector<KernelPlan> plans_to_compile(const Context& context, const OperatorConfig& config, bool recompile);
/// The kernels that serve in place of plans(config, features); empty where every NVRTC that is served builds those.
std::vector<KernelPlan> slower_plans(const OperatorConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
