// One kernel an operator may launch: its spec (what to compile) and what every launch of it needs.
#pragma once

#include <string>

#include "jit/nvrtc.h"
#include "jit/source.h"

namespace attnjit::runtime {

/// An operator's config as text.
struct OperatorText {
  std::string json;
  std::string (*to_words)(const std::string& json) = nullptr;  // as KEY=VALUE command-line words
};

struct KernelPlan {
  jit::KernelSpec spec;
  int threads = 0;
  int smem_bytes = 0;
  // Set when a family is chosen:
  OperatorText serves{};                                     // the operator it serves
  jit::CompilerVersion oldest_compiler = jit::kOldestNvrtc;  // the oldest that builds it
};

/// Builds the plan of a KernelConfig from the config and the names of its family.
template <class Config>
KernelPlan make_plan(const char* family, const char* config_type, const char* params_type, const Config& config) {
  return {{family, config_type, params_type, jit::fields_of(config)}, threads(config), smem_bytes(config)};
}

}  // namespace attnjit::runtime
