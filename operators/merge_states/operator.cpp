#include "attnjit/merge_states.hpp"

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "operators/merge_states/impl.h"

namespace attnjit {

MergeStates::Impl::Impl(const Context& context, const MergeStatesConfig& config, const runtime::SmFeatures& features)
    : config_(config),
      operator_(context, runtime::kMergeStates, runtime::choose_merge_states(config, features),
                runtime::DebugCheck::kNone) {}

void MergeStates::Impl::run(const MergeStatesParams& params, Stream stream) const {
  operator_.run(runtime::check_merge_states(config_, params), Workspace{}, stream,
                [] { return runtime::CheckedIndices{}; });
}

MergeStates::MergeStates(const Context& context, const MergeStatesConfig& config)
    : impl_(std::make_shared<const Impl>(context, config, runtime::context_impl(context)->features())) {}
void MergeStates::run(const MergeStatesParams& params, Stream stream) const { impl_->run(params, stream); }
const MergeStatesConfig& MergeStates::config() const noexcept { return impl_->config(); }

std::string why_unsupported(const MergeStatesConfig& config, const std::string& arch) {
  try {
    runtime::choose_merge_states(config, runtime::sm_features(jit::Target::parse(arch)));
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace attnjit
