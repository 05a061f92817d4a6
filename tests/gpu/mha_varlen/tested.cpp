#include "tests/gpu/mha_varlen/tested.h"

#include <fmt/format.h>

#include "operators/mha_varlen/impl.h"
#include "runtime/context_impl.h"
#include "tests/gpu/suite.h"
#include "verify/launched.h"

namespace attnjit::gpu_tests {

TestedMhaVarlen::TestedMhaVarlen(const Context& context, const OperatorUse& use, Tiles tiles)
    : use_(use), forced_(forced_by(tiles)) {
  const runtime::SmFeatures& own = runtime::context_impl(context)->features();
  const runtime::SmFeatures features = features_of(use.variant, tiles, own);
  kernels_ = runtime::choose_mha_varlen(use.config, features);
  if (features == own && forced_ == runtime::Forced{}) {
    run_ = [op = MhaVarlen(context, use.config)](const MhaVarlenParams& params, Stream stream) {
      op.run(params, stream);
    };
  } else {
    run_ = [op = std::make_shared<MhaVarlen::Impl>(context, use.config, features, forced_)](
               const MhaVarlenParams& params, Stream stream) { op->run(params, stream); };
  }
}

void TestedMhaVarlen::run(const MhaVarlenParams& params, CUstream stream) const {
  run_(params, stream);
  for (const runtime::KernelPlan& plan : launched(*kernels_, runtime::check_mha_varlen(use_.config, params), forced_)) {
    suite().record(plan);
  }
}

const TestedMhaVarlen& tested_mha_varlen(const MhaVarlenConfig& config, Variant variant, Tiles tiles) {
  const std::string key =
      fmt::format("mha_varlen {} {} {}", describe(config), to_string(variant), static_cast<int>(tiles));
  return suite().kept<TestedMhaVarlen>(key, [&] {
    return TestedMhaVarlen(suite().context(), OperatorUse{config, variant}, tiles);
  });
}

}  // namespace attnjit::gpu_tests
