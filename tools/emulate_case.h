// What `attnjit emulate` runs: an operator's config and a few words about the batch become a case of the GPU suite.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "runtime/operator_config.h"
#include "tests/emulator/emulated_case.h"

namespace attnjit::tools {

/// What a case is made of beside the operator's config. Zero or empty: the operator's own default.
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

/// The case, ready to be run. Throws Error(kInvalidArgument) for words that the operator does not take.
RunCase case_of(const runtime::OperatorConfig& config, const CaseWords& words);

}  // namespace attnjit::tools
