#include "runtime/merge_states_kernels.h"

#include "process/made_once.h"
#include "runtime/kernels/merge_states.h"
#include "runtime/operator_config.h"

namespace attnjit::runtime {

const std::vector<MergeStatesFamily>& merge_states_families() {
  static constinit process::MadeOnce<std::vector<MergeStatesFamily>> families;
  return families.get([] {
    return std::vector<MergeStatesFamily>{
        {{"merge_states"}, generic_merge_states_refusal, make_generic_merge_states},
    };
  });
}

std::unique_ptr<MergeStatesKernels> choose_merge_states(const MergeStatesConfig& config, const SmFeatures& features) {
  check_merge_states_config(config);
  return choose_family(merge_states_families(), config, features, to_json(config));
}

}  // namespace attnjit::runtime
