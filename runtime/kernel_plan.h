// One kernel that an operator may launch: its spec (what is compiled) and what a launch of it always needs.
#pragma once

#include <string>

#include "jit/nvrtc.h"
#include "jit/source.h"

namespace attnjit::runtime {

struct KernelPlan {
  jit::KernelSpec spec;
  int threads = 0;
  int smem_bytes = 0;
  std::string operator_config{};  // for which operator, as JSON; set where a family is chosen, told when it is missing
  jit::CompilerVersion oldest_compiler = jit::kOldestNvrtc;  // that builds it; likewise
};

/// Makes the plan of a KernelConfig: everything follows from the config and the names of its family.
template <class Config>
KernelPlan make_plan(const char* family, const char* config_type, const char* params_type, const Config& config) {
  return {{family, config_type, params_type, jit::fields_of(config)}, threads(config), smem_bytes(config)};
}

}  // namespace attnjit::runtime
