// Inside of attnjit::MlaDecode: the chosen kernels, loaded, and the workspaces that were reserved.
#pragma once

#include "attnjit/mla_decode.hpp"
#include "runtime/context_impl.h"
#include "runtime/kernels/check_indices.h"
#include "runtime/mla_decode_call.h"
#include "runtime/mla_decode_kernels.h"
#include "runtime/workspace.h"

namespace attnjit {

class ATTNJIT_LOCAL MlaDecode::Impl {
 public:
  /// `features` are the context's own, or those of an older SM, whose variants then run on this device.
  Impl(const Context& context, const MlaDecodeConfig& config, const runtime::SmFeatures& features);

  void run(const MlaDecodeParams& params, Stream stream) const;
  void reserve(Stream stream, const MlaDecodeBounds& bounds) const;
  void release(Stream stream) const;
  std::size_t workspace_bytes(const MlaDecodeBounds& bounds) const;
  const MlaDecodeConfig& config() const { return config_; }

 private:
  void require_device() const;

  Context context_;
  MlaDecodeConfig config_;
  std::unique_ptr<runtime::MlaDecodeKernels> kernels_;
  std::vector<std::shared_ptr<const runtime::LoadedKernel>> loaded_;  // one per plan; empty without a device
  std::optional<runtime::IndexCheck> check_;                          // with debug_checks
  mutable runtime::ReservedWorkspaces reserved_{runtime::kMlaDecodeCheck};
};

}  // namespace attnjit
