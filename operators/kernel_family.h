// An operator's table of kernel families, in order of preference. Each row says which configs it serves and creates its
// kernels.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "attnjit/error.hpp"
#include "operators/kernel_set.h"
#include "runtime/sm_features.h"

namespace attnjit::runtime {

/// A row of the table. `Config` is the operator's config, `Set` a KernelSet for its calls.
template <class Config, class Set>
struct KernelFamily {
  std::vector<std::string> kernels;  // the kernels it launches; the first one names the family
  /// Empty if the family serves the config, else the reason why not.
  std::string (*refusal)(const Config& config, const SmFeatures& features);
  std::unique_ptr<Set> (*make)(const Config& config, const SmFeatures& features);
  /// The oldest NVRTC that builds its kernels.
  jit::CompilerVersion oldest_compiler = jit::kOldestNvrtc;
};

/// Returns the kernels of the first family that serves the config. Throws Error(kUnsupported) with each family's
/// reason.
template <class Config, class Set>
std::unique_ptr<Set> choose_family(const std::vector<KernelFamily<Config, Set>>& families, const Config& config,
                                   const SmFeatures& features, const OperatorText& text) {
  std::string reasons;
  for (const KernelFamily<Config, Set>& family : families) {
    const std::string refusal = family.refusal(config, features);
    if (refusal.empty()) {
      std::unique_ptr<Set> kernels = family.make(config, features);
      kernels->serve(text, family.oldest_compiler);
      return kernels;
    }
    reasons += fmt::format("\n  {}: {}", family.kernels.front(), refusal);
  }
  throw Error(Status::kUnsupported, fmt::format("no kernel serves {}:{}", text.json, reasons));
}

}  // namespace attnjit::runtime
