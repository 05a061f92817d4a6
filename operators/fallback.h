// Fallback for an operator whose fastest kernels no NVRTC on this machine can build: the kernels that run on every SM.
#pragma once

#include <optional>
#include <vector>

#include "attnjit/context.hpp"
#include "attnjit/error.hpp"
#include "operators/operator_config.h"
#include "runtime/context_impl.h"
#include "runtime/kernel_plan.h"
#include "runtime/sm_features.h"

namespace attnjit::runtime {

/// The features to fall back to when `why` kept an operator from being created with the context's own. Empty if the
/// compiler is not the cause, the slower kernels are not available either, or FallbackPolicy forbids them.
std::optional<SmFeatures> fallback_features(const Context& context, const OperatorConfig& config, const Error& why);
/// Counts an operator that got slower kernels and logs it once.
void note_fallback(const Context& context, const OperatorConfig& config, const Error& why);

/// Calls make() with the context's own features, or with the fallback's if that fails.
template <class Make>
auto make_with_fallback(const Context& context, const OperatorConfig& config, const Make& make) {
  try {
    return make(context_impl(context)->features());
  } catch (const Error& why) {
    const std::optional<SmFeatures> slower = fallback_features(context, config, why);
    if (!slower) throw;
    auto made = make(*slower);
    note_fallback(context, config, why);
    return made;
  }
}

/// The kernels to compile ahead of time for an operator: its fastest ones, or the fallback's where no NVRTC on this
/// machine builds the fastest and not all of them are cached (or `recompile` ignores the cache). Opens NVRTC only if
/// the answer depends on it. Throws jit::CompilerTooOld where FallbackPolicy forbids the slower kernels.
std::vector<KernelPlan> plans_to_compile(const Context& context, const OperatorConfig& config, bool recompile);
/// The kernels that replace plans(config, features) on an older NVRTC. Empty if every supported NVRTC builds those.
std::vector<KernelPlan> slower_plans(const OperatorConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
