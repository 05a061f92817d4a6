#include "runtime/merge_states_kernels.h"

#include <fmt/format.h>

#include "attnjit/error.hpp"
#include "process/made_once.h"
#include "runtime/kernels/merge_states.h"
#include "runtime/operator_config.h"

namespace attnjit::runtime {

const std::vector<MergeStatesFamily>& merge_states_families() {
  static constinit process::MadeOnce<std::vector<MergeStatesFamily>> families;
  return families.get([] {
    return std::vector<MergeStatesFamily>{
        {"merge_states", generic_merge_states_refusal, make_generic_merge_states},
    };
  });
}

std::unique_ptr<MergeStatesKernels> choose_merge_states(const MergeStatesConfig& config, const SmFeatures& features) {
  check_merge_states_config(config);
  std::string reasons;
  for (const MergeStatesFamily& family : merge_states_families()) {
    const std::string refusal = family.refusal(config, features);
    if (refusal.empty()) return family.make(config, features);
    reasons += fmt::format("\n  {}: {}", family.name, refusal);
  }
  throw Error(Status::kUnsupported, fmt::format("no kernel serves {}:{}", to_json(config), reasons));
}

}  // namespace attnjit::runtime
