#include "attnjit/masked_mha.hpp"

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "operators/fallback.h"
#include "operators/masked_mha/impl.h"

namespace attnjit {

MaskedMha::Impl::Impl(const Context& context, const MaskedMhaConfig& config, const runtime::SmFeatures& features,
                      const runtime::Forced& forced)
    : config_(config),
      operator_(context, runtime::kMaskedMha, runtime::choose_masked_mha(config, features),
                runtime::DebugCheck::kIndices, forced) {}

void MaskedMha::Impl::run(const MaskedMhaParams& params, Stream stream) const {
  const runtime::MaskedMhaCall call = runtime::check_masked_mha(config_, params);
  operator_.run(call, params.workspace, stream, [&] { return runtime::indices_of(call, params); });
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
    runtime::choose_masked_mha(config, runtime::sm_features(jit::Target::parse(arch)));
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace attnjit
