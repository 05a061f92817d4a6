#include "attnjit/mla_decode.hpp"

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "operators/mla_decode/impl.h"

namespace attnjit {

MlaDecode::Impl::Impl(const Context& context, const MlaDecodeConfig& config, const runtime::SmFeatures& features,
                      const runtime::Forced& forced)
    : config_(config),
      operator_(context, runtime::kMlaDecodeCheck, runtime::choose_mla_decode(config, features),
                runtime::DebugCheck::kIndices, forced) {}

std::size_t MlaDecode::Impl::workspace_bytes(const MlaDecodeBounds& bounds) const {
  runtime::check_mla_decode_bounds(bounds);
  return operator_.kernels().workspace_bytes(bounds);
}

void MlaDecode::Impl::run(const MlaDecodeParams& params, Stream stream) const {
  const runtime::MlaDecodeCall call = runtime::check_mla_decode(config_, params);
  operator_.run(call, params.workspace, stream, [&] { return runtime::indices_of(call, config_, params); });
}

MlaDecode::MlaDecode(const Context& context, const MlaDecodeConfig& config)
    : impl_(std::make_shared<const Impl>(context, config, runtime::context_impl(context)->features())) {}
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
