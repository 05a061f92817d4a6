#include "attnjit/mha_varlen.hpp"

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "operators/fallback.h"
#include "operators/mha_varlen/impl.h"

namespace attnjit {

MhaVarlen::Impl::Impl(const Context& context, const MhaVarlenConfig& config, const runtime::SmFeatures& features,
                      const runtime::Forced& forced)
    : config_(config),
      operator_(context, runtime::kMhaVarlen, runtime::choose_mha_varlen(config, features),
                runtime::DebugCheck::kIndices, forced) {}

void MhaVarlen::Impl::run(const MhaVarlenParams& params, Stream stream) const {
  const runtime::MhaVarlenCall call = runtime::check_mha_varlen(config_, params);
  operator_.run(call, Workspace{}, stream, [&] { return runtime::indices_of(call); });
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
