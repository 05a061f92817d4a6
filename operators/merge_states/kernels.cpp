#include "operators/merge_states/kernels.h"

#include "operators/merge_states/any_sm.h"
#include "operators/operator_config.h"
#include "process/made_once.h"

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
  return choose_family(merge_states_families(), config, features, text_of(config));
}

}  // namespace attnjit::runtime
