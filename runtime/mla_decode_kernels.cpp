#include "runtime/mla_decode_kernels.h"

#include <fmt/format.h>

#include <utility>

#include "attnjit/error.hpp"
#include "process/made_once.h"
#include "runtime/kernels/sm80_mla_decode.h"
#include "runtime/operator_config.h"

namespace attnjit::runtime {
namespace {

/// The kernels of a family, each plan knowing the operator that it is for.
class NamedMlaDecodeKernels final : public MlaDecodeKernels {
 public:
  NamedMlaDecodeKernels(std::unique_ptr<MlaDecodeKernels> kernels, const std::string& operator_config)
      : kernels_(std::move(kernels)), plans_(kernels_->plans()) {
    for (KernelPlan& plan : plans_) plan.operator_config = operator_config;
  }
  const std::vector<KernelPlan>& plans() const override { return plans_; }
  Launch launch(MlaDecodeCall& call) const override { return kernels_->launch(call); }
  void set_workspace(MlaDecodeCall& call, void* workspace) const override { kernels_->set_workspace(call, workspace); }
  std::size_t workspace_bytes(const MlaDecodeBounds& bounds) const override {
    return kernels_->workspace_bytes(bounds);
  }

 private:
  std::unique_ptr<MlaDecodeKernels> kernels_;
  std::vector<KernelPlan> plans_;
};

}  // namespace

const std::vector<MlaDecodeFamily>& mla_decode_families() {
  static constinit process::MadeOnce<std::vector<MlaDecodeFamily>> families;
  return families.get([] {
    return std::vector<MlaDecodeFamily>{
        {"sm80_mla_decode", "sm80_mla_combine", sm80_mla_decode_refusal, make_sm80_mla_decode},
    };
  });
}

std::unique_ptr<MlaDecodeKernels> choose_mla_decode(const MlaDecodeConfig& config, const SmFeatures& features) {
  check_mla_decode_config(config);
  std::string reasons;
  for (const MlaDecodeFamily& family : mla_decode_families()) {
    const std::string refusal = family.refusal(config, features);
    if (refusal.empty()) {
      return std::make_unique<NamedMlaDecodeKernels>(family.make(config, features), to_json(config));
    }
    reasons += fmt::format("\n  {}: {}", family.name, refusal);
  }
  throw Error(Status::kUnsupported, fmt::format("no kernel serves {}:{}", to_json(config), reasons));
}

}  // namespace attnjit::runtime
