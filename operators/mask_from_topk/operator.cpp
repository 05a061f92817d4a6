#include "attnjit/mask_from_topk.hpp"

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "operators/loaded_operator.h"
#include "operators/mask_from_topk/kernels.h"

namespace attnjit {

class ATTNJIT_LOCAL MaskFromTopk::Impl {
 public:
  Impl(const Context& context, const MaskFromTopkConfig& config)
      : config_(config),
        operator_(context, runtime::kMaskFromTopk,
                  runtime::choose_mask_from_topk(config, runtime::context_impl(context)->features())) {}

  void run(const MaskFromTopkParams& params, Stream stream) const {
    const runtime::MaskFromTopkCall call = runtime::check_mask_from_topk(params);
    operator_.run(call, Workspace{}, stream, [&] { return runtime::indices_of(call); });
  }
  const MaskFromTopkConfig& config() const { return config_; }

 private:
  MaskFromTopkConfig config_;
  runtime::LoadedOperator<runtime::MaskFromTopkCall> operator_;
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
