#include "attnjit/mla_decode.hpp"

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "runtime/mla_decode_impl.h"

namespace attnjit {

MlaDecode::Impl::Impl(const Context& context, const MlaDecodeConfig& config, const runtime::SmFeatures& features)
    : context_(context), config_(config), kernels_(runtime::choose_mla_decode(config, features)) {
  runtime::KernelLoader& loader = context_.impl()->loader();
  for (const runtime::KernelPlan& plan : kernels_->plans()) {
    if (context_.impl()->has_device()) {
      loaded_.push_back(loader.load(plan));
    } else {
      loader.prepare(plan);
    }
  }
  if (context_.impl()->options().debug_checks) check_.emplace("mla_decode", loader);
}

void MlaDecode::Impl::require_device() const {
  if (loaded_.empty()) [[unlikely]] {
    throw Error(Status::kInvalidArgument,
                "this operator was made by a Context without a device: it compiles and caches, and cannot run. Make a "
                "Context of a device");
  }
}

std::size_t MlaDecode::Impl::workspace_bytes(const MlaDecodeBounds& bounds) const {
  runtime::check_mla_decode_bounds(bounds);
  return kernels_->workspace_bytes(bounds);
}

void MlaDecode::Impl::reserve(Stream stream, const MlaDecodeBounds& bounds) const {
  const std::size_t bytes = workspace_bytes(bounds);
  require_device();
  const Context::Impl::CurrentContext current(*context_.impl());
  if (bytes > 0) reserved_.reserve(stream, bytes);
}

void MlaDecode::Impl::release(Stream stream) const {
  require_device();
  const Context::Impl::CurrentContext current(*context_.impl());
  reserved_.release(stream);
}

void MlaDecode::Impl::run(const MlaDecodeParams& params, Stream stream) const {
  runtime::MlaDecodeCall call = runtime::check_mla_decode(config_, params);
  require_device();
  const runtime::MlaDecodeKernels::Launch launch = kernels_->launch(call);
  if (launch.count == 0 && !check_) return;
  const Context::Impl::CurrentContext current(*context_.impl());
  if (check_) [[unlikely]] {
    check_->run(runtime::indices_of(call, config_, params), stream);
    if (launch.count == 0) return;
  }
  const runtime::CallWorkspace workspace = runtime::workspace_for_call(runtime::kMlaDecodeCheck, params.workspace,
                                                                       reserved_, stream, launch.workspace_bytes);
  kernels_->set_workspace(call, workspace.data);
  for (int i = 0; i < launch.count; ++i) {
    const runtime::MlaDecodeKernels::Step& step = launch.steps[i];
    loaded_[step.plan]->launch(step.ctas, &call.params, stream, step.order);
  }
}

MlaDecode::MlaDecode(const Context& context, const MlaDecodeConfig& config)
    : impl_(std::make_shared<const Impl>(context, config, context.impl()->features())) {}
std::size_t MlaDecode::workspace_bytes(const MlaDecodeBounds& bounds) const { return impl_->workspace_bytes(bounds); }
void MlaDecode::reserve(Stream stream, const MlaDecodeBounds& bounds) const { impl_->reserve(stream, bounds); }
void MlaDecode::release(Stream stream) const { impl_->release(stream); }
void MlaDecode::run(const MlaDecodeParams& params, Stream stream) const { impl_->run(params, stream); }
const MlaDecodeConfig& MlaDecode::config() const noexcept { return impl_->config(); }

std::string why_unsupported(const MlaDecodeConfig& config, const std::string& arch) {
  try {
    runtime::choose_mla_decode(config, runtime::sm_features(jit::Target::parse(arch)));
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace attnjit
