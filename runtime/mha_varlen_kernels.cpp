#include "runtime/mha_varlen_kernels.h"

#include <fmt/format.h>

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "runtime/kernels/sm80_mha_varlen.h"
#include "runtime/operator_config.h"

namespace attnjit::runtime {

const std::vector<MhaVarlenFamily>& mha_varlen_families() {
  static const std::vector<MhaVarlenFamily> families{
      {"sm80_mha_varlen", sm80_mha_varlen_refusal, make_sm80_mha_varlen},
  };
  return families;
}

std::unique_ptr<MhaVarlenKernels> choose_mha_varlen(const MhaVarlenConfig& config, const SmFeatures& features) {
  check_mha_varlen_config(config);
  std::string reasons;
  for (const MhaVarlenFamily& family : mha_varlen_families()) {
    const std::string refusal = family.refusal(config, features);
    if (refusal.empty()) return family.make(config, features);
    reasons += fmt::format("\n  {}: {}", family.name, refusal);
  }
  throw Error(Status::kUnsupported, fmt::format("no kernel serves {}:{}", to_json(config), reasons));
}

}  // namespace attnjit::runtime
