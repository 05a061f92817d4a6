#include "attnjit/mha_varlen.hpp"

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "runtime/fallback.h"
#include "runtime/mha_varlen_impl.h"

namespace attnjit {

MhaVarlen::Impl::Impl(const Context& context, const MhaVarlenConfig& config, const runtime::SmFeatures& features,
                      runtime::KeyMasking masking)
    : context_(context),
      config_(config),
      kernels_(runtime::choose_mha_varlen(config, features, masking)),
      loaded_(context, kernels_->plans()) {
  // Masked attention checks more than these kernels are told.
  if (masking == runtime::KeyMasking::kNone && context_.impl()->options().debug_checks) {
    check_.emplace("mha_varlen", context_.impl()->loader());
  }
}

void MhaVarlen::Impl::run(const MhaVarlenParams& params, Stream stream) const {
  runtime::MhaVarlenCall call = runtime::check_mha_varlen(config_, params);
  const runtime::MhaVarlenKernels::Launch planned = plan(call);
  if (planned.ctas == 0 && !check_) return;
  const Context::Impl::CurrentContext current(*context_.impl());
  if (check_) [[unlikely]] {
    check_->run(runtime::indices_of(call), stream);
    if (planned.ctas == 0) return;
  }
  launch(planned, call, stream);
}

runtime::MhaVarlenKernels::Launch MhaVarlen::Impl::plan(runtime::MhaVarlenCall& call) const {
  loaded_.check();
  return kernels_->launch(call);
}

void MhaVarlen::Impl::launch(const runtime::MhaVarlenKernels::Launch& launch, const runtime::MhaVarlenCall& call,
                             Stream stream) const {
  const runtime::LoadedKernel& kernel = loaded_[launch.plan];
  runtime::DeviceServices services(runtime::Driver::get(), kernel.tile_counters(), stream);
  runtime::MhaVarlenKernels::ParamsStorage storage;
  kernel.launch(launch.ctas, kernels_->params(call, launch, services, storage), stream);
}

MhaVarlen::MhaVarlen(const Context& context, const MhaVarlenConfig& config)
    : impl_(runtime::make_with_fallback(context, config, [&](const runtime::SmFeatures& features) {
        return std::make_shared<const Impl>(context, config, features);
      })) {}
void MhaVarlen::run(const MhaVarlenParams& params, Stream stream) const { impl_->run(params, stream); }
const MhaVarlenConfig& MhaVarlen::config() const noexcept { return impl_->config(); }

std::string why_unsupported(const MhaVarlenConfig& config, const std::string& arch) {
  try {
    runtime::choose_mha_varlen(config, runtime::sm_features(jit::Target::parse(arch)));
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace attnjit
