#include "tests/gpu/mla_decode/tested.h"

#include <fmt/format.h>

#include "operators/mla_decode/impl.h"
#include "runtime/context_impl.h"
#include "tests/gpu/suite.h"
#include "verify/launched.h"

namespace attnjit::gpu_tests {

TestedMlaDecode::TestedMlaDecode(const Context& context, const DecodeCase& c) : config_(c.config) {
  const runtime::SmFeatures& own = runtime::context_impl(context)->features();
  const runtime::SmFeatures features = features_of(c, own);
  kernels_ = runtime::choose_mla_decode(config_, features);
  if (features == own) {
    run_ = [op = MlaDecode(context, config_)](const MlaDecodeParams& params, Stream stream) { op.run(params, stream); };
  } else {
    run_ = [op = std::make_shared<MlaDecode::Impl>(context, config_, features)](
               const MlaDecodeParams& params, Stream stream) { op->run(params, stream); };
  }
}

DeviceBuffer TestedMlaDecode::workspace(const MlaDecodeBounds& bounds) const {
  DeviceBuffer buffer(static_cast<std::int64_t>(kernels_->workspace_bytes(bounds)));
  buffer.fill(0xff, 1);
  return buffer;
}

void TestedMlaDecode::run(MlaDecodeParams params, const DeviceBuffer& workspace, CUstream stream) const {
  params.workspace = {workspace.data(), static_cast<std::size_t>(workspace.bytes())};
  run_(params, stream);
  for (const runtime::KernelPlan& plan : launched(*kernels_, runtime::check_mla_decode(config_, params))) {
    suite().record(plan);
  }
}

const TestedMlaDecode& tested_mla_decode(const DecodeCase& c) {
  const std::string key = fmt::format("mla_decode {} {} {}", describe(c.config), to_string(c.variant), c.sms);
  return suite().kept<TestedMlaDecode>(key, [&] { return TestedMlaDecode(suite().context(), c); });
}

}  // namespace attnjit::gpu_tests
