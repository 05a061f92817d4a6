// What `attnjit emulate` runs: turns an operator's config and a few words about the batch into a GPU suite case.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "operators/operator_config.h"
#include "verify/emulated_case.h"

namespace attnjit::tools {

/// Inputs of a case besides the operator's config. Zero or empty: the operator's default.
struct CaseWords {
  std::string batch;
  int heads = 2;
  int kv_heads = 0;
  int topk = 0;
  bool apart = false;
  std::string tiles = "planned";
  std::uint64_t seed = 1;
};

using RunCase = std::function<emulator_tests::Judged(emulator::KernelObjects&, const runtime::SmFeatures&,
                                                     const emulator::LaunchOptions&)>;

/// A case ready to run. Throws Error(kInvalidArgument) for words the operator does not take.
RunCase case_of(const runtime::OperatorConfig& config, const CaseWords& words);

}  // namespace attnjit::tools
