#include "operators/fallback.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/context_impl.h"

namespace attnjit::runtime {
namespace {

/// Features that every SM of this size has, with nothing that needs a newer NVRTC.
SmFeatures without_wgmma(SmFeatures features) {
  features.wgmma = false;
  return features;
}

/// The oldest NVRTC that builds all of the plans.
jit::CompilerVersion oldest_compiler(const std::vector<KernelPlan>& plans) {
  jit::CompilerVersion oldest = jit::kOldestNvrtc;
  for (const KernelPlan& plan : plans) oldest = std::max(oldest, plan.oldest_compiler);
  return oldest;
}

bool are_cached(KernelLoader& loader, const std::vector<KernelPlan>& plans) {
  return std::ranges::all_of(plans, [&](const KernelPlan& plan) { return loader.is_cached(plan); });
}

bool is_allowed(const Context& context) { return context_impl(context)->options().fallback != FallbackPolicy::kError; }

}  // namespace

std::vector<KernelPlan> slower_plans(const OperatorConfig& config, const SmFeatures& features) {
  if (oldest_compiler(plans(config, features)) == jit::kOldestNvrtc) return {};
  return plans(config, without_wgmma(features));
}

std::optional<SmFeatures> fallback_features(const Context& context, const OperatorConfig& config, const Error& why) {
  if (!is_allowed(context)) return std::nullopt;
  const bool can_compile = dynamic_cast<const jit::CompilerTooOld*>(&why) != nullptr;
  // A context that may not compile, or has no compiler, uses cubins that a machine with an older NVRTC left in the
  // cache.
  const bool must_be_cached = why.status() == Status::kCacheMiss || why.status() == Status::kNoCompiler;
  if (!can_compile && !must_be_cached) return std::nullopt;
  const SmFeatures& own = context_impl(context)->features();
  const std::vector<KernelPlan> slower = slower_plans(config, own);
  if (slower.empty() || (!can_compile && !are_cached(context_impl(context)->loader(), slower))) return std::nullopt;
  return without_wgmma(own);
}

void note_fallback(const Context& context, const OperatorConfig& config, const Error& why) {
  context_impl(context)->loader().count_fallback(
      fmt::format("{} runs slower kernels than this GPU has, which every NVRTC from {} on builds (said once; "
                  "CacheCounters::fallbacks counts, FallbackPolicy::kError or ATTNJIT_FALLBACK=error forbids it): {}",
                  to_json(config), jit::kOldestNvrtc.name(), why.what()));
}

std::vector<KernelPlan> plans_to_compile(const Context& context, const OperatorConfig& config, bool recompile) {
  KernelLoader& loader = context_impl(context)->loader();
  std::vector<KernelPlan> fastest = plans(config, context_impl(context)->features());
  const jit::CompilerVersion oldest = oldest_compiler(fastest);
  if (oldest == jit::kOldestNvrtc) return fastest;
  try {
    if (recompile || !are_cached(loader, fastest)) loader.nvrtc(oldest);
  } catch (const jit::CompilerTooOld& why) {
    if (!is_allowed(context)) throw;
    note_fallback(context, config, why);
    return plans(config, without_wgmma(context_impl(context)->features()));
  } catch (const Error&) {
    // No compiler at all: each missing kernel reports that itself.
  }
  return fastest;
}

}  // namespace attnjit::runtime
