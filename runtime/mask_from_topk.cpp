#include "attnjit/mask_from_topk.hpp"

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "runtime/kernels/check_indices.h"
#include "runtime/kernels/mask_from_topk.h"
#include "runtime/loaded_kernels.h"
#include "runtime/operator_config.h"

namespace attnjit {

class ATTNJIT_LOCAL MaskFromTopk::Impl {
 public:
  Impl(const Context& context, const MaskFromTopkConfig& config)
      : context_(context), config_(config), kernels_(context, runtime::plans(config, context.impl()->features())) {
    if (context_.impl()->options().debug_checks) check_.emplace("mask_from_topk", context_.impl()->loader());
  }

  void run(const MaskFromTopkParams& params, Stream stream) const {
    runtime::MaskFromTopkCall call = runtime::check_mask_from_topk(params);
    kernels_.check();
    const unsigned ctas = runtime::plan_mask_from_topk(call, context_.impl()->features());
    if (ctas == 0 && !check_) return;
    const Context::Impl::CurrentContext current(*context_.impl());
    if (check_) [[unlikely]] {
      check_->run(runtime::indices_of(call), stream);
      if (ctas == 0) return;
    }
    kernels_[0].launch(ctas, &call.params, stream);
  }
  const MaskFromTopkConfig& config() const { return config_; }

 private:
  Context context_;
  MaskFromTopkConfig config_;
  runtime::LoadedKernels kernels_;
  std::optional<runtime::IndexCheck> check_;  // with debug_checks
};

MaskFromTopk::MaskFromTopk(const Context& context, const MaskFromTopkConfig& config)
    : impl_(std::make_shared<const Impl>(context, config)) {}
void MaskFromTopk::run(const MaskFromTopkParams& params, Stream stream) const { impl_->run(params, stream); }
const MaskFromTopkConfig& MaskFromTopk::config() const noexcept { return impl_->config(); }

std::string why_unsupported(const MaskFromTopkConfig&, const std::string& arch) {
  try {
    runtime::sm_features(jit::Target::parse(arch));
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace attnjit
