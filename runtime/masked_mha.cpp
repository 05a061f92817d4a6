#include "attnjit/masked_mha.hpp"

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "runtime/fallback.h"
#include "runtime/host_callbacks.h"
#include "runtime/kernels/mask_from_topk.h"
#include "runtime/masked_mha_call.h"
#include "runtime/masked_mha_impl.h"
#include "runtime/operator_config.h"

namespace attnjit {

using runtime::KeyMasking;

MaskedMha::Impl::Impl(const Context& context, const MaskedMhaConfig& config, const runtime::SmFeatures& features)
    : context_(context),
      config_(config),
      features_(features),
      attention_(context, config.attention, features, KeyMasking::kBitmask),
      mask_(context, runtime::plans(MaskFromTopkConfig{}, features)) {
  if (context_.impl()->options().debug_checks) check_.emplace("masked_mha", context_.impl()->loader());
}

void MaskedMha::Impl::run(const MaskedMhaParams& params, Stream stream) const {
  runtime::MaskedMhaCall call = runtime::check_masked_mha(config_, params);
  const runtime::MhaVarlenKernels::Launch attention = attention_.plan(call.attention);
  if (attention.ctas == 0 && !check_) return;
  const Context::Impl::CurrentContext current(*context_.impl());
  if (check_) [[unlikely]] {
    check_->run(runtime::indices_of(call, params), stream);
    if (attention.ctas == 0) return;
  }
  const runtime::HeldLogLines held;  // until the workspace is another call's to use: the host's callback may make one
  runtime::CallWorkspace workspace;
  if (call.build) {
    workspace = runtime::workspace_for_call(runtime::kMaskedMha, params.workspace, reserved_, stream,
                                            runtime::mask_bytes(*call.build));
    runtime::place_mask(call, workspace.data);
    const unsigned ctas = runtime::plan_mask_from_topk(*call.build, features_);
    if (ctas > 0) mask_[0].launch(ctas, &call.build->params, stream);
  }
  attention_.launch(attention, call.attention, stream);
}

void MaskedMha::Impl::reserve(Stream stream, const MaskedMhaBounds& bounds) const {
  mask_.check();
  const std::size_t bytes = runtime::mask_bytes(bounds);
  const Context::Impl::CurrentContext current(*context_.impl());
  if (bytes > 0) reserved_.reserve(stream, bytes);
}

void MaskedMha::Impl::release(Stream stream) const {
  mask_.check();
  const Context::Impl::CurrentContext current(*context_.impl());
  reserved_.release(stream);
}

MaskedMha::MaskedMha(const Context& context, const MaskedMhaConfig& config)
    : impl_(runtime::make_with_fallback(context, config, [&](const runtime::SmFeatures& features) {
        return std::make_shared<const Impl>(context, config, features);
      })) {}
void MaskedMha::run(const MaskedMhaParams& params, Stream stream) const { impl_->run(params, stream); }
void MaskedMha::reserve(Stream stream, const MaskedMhaBounds& bounds) const { impl_->reserve(stream, bounds); }
void MaskedMha::release(Stream stream) const { impl_->release(stream); }
std::size_t MaskedMha::workspace_bytes(const MaskedMhaBounds& bounds) { return runtime::mask_bytes(bounds); }
const MaskedMhaConfig& MaskedMha::config() const noexcept { return impl_->config(); }

std::string why_unsupported(const MaskedMhaConfig& config, const std::string& arch) {
  try {
    runtime::choose_mha_varlen(config.attention, runtime::sm_features(jit::Target::parse(arch)), KeyMasking::kBitmask);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace attnjit
