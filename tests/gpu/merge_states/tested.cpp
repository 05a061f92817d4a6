#include "tests/gpu/merge_states/tested.h"

#include <fmt/format.h>

#include "operators/merge_states/impl.h"
#include "runtime/context_impl.h"
#include "tests/gpu/suite.h"
#include "verify/launched.h"

namespace attnjit::gpu_tests {

TestedMergeStates::TestedMergeStates(const Context& context, const MergeStatesConfig& config, Variant variant)
    : config_(config) {
  const runtime::SmFeatures& own = runtime::context_impl(context)->features();
  const runtime::SmFeatures features = features_of(variant, Tiles::kAsPlanned, own);
  kernels_ = runtime::choose_merge_states(config, features);
  if (features == own) {
    run_ = [op = MergeStates(context, config)](const MergeStatesParams& params, Stream stream) {
      op.run(params, stream);
    };
  } else {
    run_ = [op = std::make_shared<MergeStates::Impl>(context, config, features)](
               const MergeStatesParams& params, Stream stream) { op->run(params, stream); };
  }
}

void TestedMergeStates::run(const MergeStatesParams& params, CUstream stream) const {
  run_(params, stream);
  for (const runtime::KernelPlan& plan : launched(*kernels_, runtime::check_merge_states(config_, params))) {
    suite().record(plan);
  }
}

const TestedMergeStates& tested_merge_states(const MergeStatesConfig& config, Variant variant) {
  return suite().kept<TestedMergeStates>(fmt::format("{} {}", describe(config), to_string(variant)),
                                         [&] { return TestedMergeStates(suite().context(), config, variant); });
}

}  // namespace attnjit::gpu_tests
