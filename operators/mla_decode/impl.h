// Implementation of attnjit::MlaDecode: the chosen kernels, loaded, and the reserved workspaces.
#pragma once

#include "attnjit/mla_decode.hpp"
#include "operators/loaded_operator.h"
#include "operators/mla_decode/kernels.h"

namespace attnjit {

class ATTNJIT_LOCAL MlaDecode::Impl {
 public:
  /// `features` are the context's own, or those of an older SM whose variants then run on this device.
  Impl(const Context& context, const MlaDecodeConfig& config, const runtime::SmFeatures& features,
       const runtime::Forced& forced = {});

  void run(const MlaDecodeParams& params, Stream stream) const;
  void reserve(Stream stream, const MlaDecodeBounds& bounds) const {
    operator_.reserve(stream, workspace_bytes(bounds));
  }
  void release(Stream stream) const { operator_.release(stream); }
  std::size_t workspace_bytes(const MlaDecodeBounds& bounds) const;
  const MlaDecodeConfig& config() const { return config_; }

 private:
  MlaDecodeConfig config_;
  runtime::LoadedOperator<runtime::MlaDecodeCall, runtime::MlaDecodeKernels> operator_;
};

}  // namespace attnjit
