#include "tests/gpu/masked_mha/tested.h"

#include <fmt/format.h>

#include "operators/mask_from_topk/kernels.h"
#include "operators/masked_mha/impl.h"
#include "runtime/context_impl.h"
#include "tests/gpu/suite.h"
#include "verify/launched.h"

namespace attnjit::gpu_tests {

TestedMaskedMha::TestedMaskedMha(const Context& context, const OperatorUse& use, Tiles tiles)
    : use_(use), build_(context), forced_(forced_by(tiles)) {
  const runtime::SmFeatures& own = runtime::context_impl(context)->features();
  const runtime::SmFeatures features = features_of(use.variant, tiles, own);
  const MaskedMhaConfig config{use.config};
  kernels_ = runtime::choose_masked_mha(config, features);
  if (features == own && forced_ == runtime::Forced{}) {
    run_ = [op = MaskedMha(context, config)](const MaskedMhaParams& params, Stream stream) { op.run(params, stream); };
  } else {
    run_ = [op = std::make_shared<MaskedMha::Impl>(context, config, features, forced_)](
               const MaskedMhaParams& params, Stream stream) { op->run(params, stream); };
  }
}

void TestedMaskedMha::build(const MaskedTensors& tensors, CUstream stream) const {
  build_.run(tensors.build_params(), stream);
  if (!tensors.indices().empty()) suite().record(runtime::mask_from_topk_plan());
}

void TestedMaskedMha::run(const MaskedTensors& tensors, CUstream stream) const {
  if (tensors.params().mask.given()) build(tensors, stream);
  run(tensors.params(), stream);
}

void TestedMaskedMha::run(const MaskedMhaParams& params, CUstream stream) const {
  run_(params, stream);
  for (const runtime::KernelPlan& plan :
       launched(*kernels_, runtime::check_masked_mha({use_.config}, params), forced_)) {
    suite().record(plan);
  }
}

const TestedMaskedMha& tested_masked_mha(const MaskedCase& c) {
  const Case& a = c.attention;
  const std::string key =
      fmt::format("masked_mha {} {} {}", describe(a.config), to_string(a.variant), static_cast<int>(a.tiles));
  return suite().kept<TestedMaskedMha>(key, [&] {
    return TestedMaskedMha(suite().context(), OperatorUse{a.config, a.variant}, a.tiles);
  });
}

const TestedMaskedMha& tested_masked_mha(const MaskedMhaConfig& config) {
  MaskedCase c;
  c.attention.config = config.attention;
  return tested_masked_mha(c);
}

}  // namespace attnjit::gpu_tests
