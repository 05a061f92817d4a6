#include "operators/merge_states/any_sm.h"

#include <fmt/format.h>

#include <limits>

#include "attnjit/error.hpp"
#include "runtime/checked.h"
#include "runtime/dtypes.h"
#include "templates/shared/merge_states_config.h"

namespace attnjit::runtime {
namespace {

kernel::MergeStatesConfig kernel_config(const MergeStatesConfig& config, const SmFeatures& features) {
  const kernel::Element out = element_of(config.out_dtype.value_or(config.dtype));
  return {.element = element_of(config.dtype),
          .out_element = out,
          .head_dim = config.head_dim,
          // Has no effect without e4m3 output; left off so that all SMs share one kernel.
          .e4m3_cvt = out == kernel::Element::kFloat8E4M3 && features.e4m3_cvt};
}

class GenericMergeStates final : public MergeStatesKernels {
 public:
  GenericMergeStates(const MergeStatesConfig& config, const SmFeatures& features)
      : config_(kernel_config(config, features)) {
    plans_.push_back(make_plan("merge_states", "MergeStatesConfig", "MergeStatesParams", config_));
  }

  Schedule schedule(const kernel::MergeStatesParams& call, const Forced&) const override {
    if (call.rows == 0) return {};
    const std::int64_t rows = merge_rows(config_);
    const std::int64_t grid = Checked(call.rows).pieces_of(rows).value();
    if (grid > std::numeric_limits<int>::max()) {
      throw Error(
          Status::kInvalidArgument,
          fmt::format("merge_states: {} rows (tokens x heads) are {} CTAs, more than a grid has (2^31 - 1): split "
                      "the call",
                      call.rows, grid));
    }
    return Schedule().then({.ctas = static_cast<unsigned>(grid)});
  }

  const void* args(const kernel::MergeStatesParams& call, const Schedule&, int, void*, Launcher&,
                   ArgsStorage& storage) const override {
    return &storage.make(call);
  }

 private:
  kernel::MergeStatesConfig config_;
};

}  // namespace

std::string generic_merge_states_refusal(const MergeStatesConfig&, const SmFeatures&) { return ""; }

std::unique_ptr<MergeStatesKernels> make_generic_merge_states(const MergeStatesConfig& config,
                                                              const SmFeatures& features) {
  return std::make_unique<GenericMergeStates>(config, features);
}

}  // namespace attnjit::runtime
