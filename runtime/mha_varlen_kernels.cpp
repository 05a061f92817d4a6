#include "runtime/mha_varlen_kernels.h"

#include <fmt/format.h>

#include <utility>

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "process/made_once.h"
#include "runtime/kernels/sm80_mha_varlen.h"
#include "runtime/kernels/sm90_mha_varlen.h"
#include "runtime/operator_config.h"

namespace attnjit::runtime {
namespace {

/// The kernels of a family, each plan knowing the operator that it is for and what compiles it. Families plan kernels
/// and need not know of this.
class NamedMhaVarlenKernels final : public MhaVarlenKernels {
 public:
  NamedMhaVarlenKernels(std::unique_ptr<MhaVarlenKernels> kernels, const std::string& operator_config,
                        jit::CompilerVersion oldest_compiler)
      : kernels_(std::move(kernels)), plans_(kernels_->plans()) {
    for (KernelPlan& plan : plans_) {
      plan.operator_config = operator_config;
      plan.oldest_compiler = oldest_compiler;
    }
  }
  const std::vector<KernelPlan>& plans() const override { return plans_; }
  Launch launch(MhaVarlenCall& call) const override { return kernels_->launch(call); }
  const void* params(const MhaVarlenCall& call, const Launch& launch, LaunchServices& services,
                     ParamsStorage& storage) const override {
    return kernels_->params(call, launch, services, storage);
  }

 private:
  std::unique_ptr<MhaVarlenKernels> kernels_;
  std::vector<KernelPlan> plans_;
};

/// The operator's config as JSON.
std::string asked_for(const MhaVarlenConfig& config, KeyMasking masking) {
  return masking == KeyMasking::kBitmask ? to_json(MaskedMhaConfig{config}) : to_json(config);
}

}  // namespace

const std::vector<MhaVarlenFamily>& mha_varlen_families() {
  static constinit process::MadeOnce<std::vector<MhaVarlenFamily>> families;
  return families.get([] {
    return std::vector<MhaVarlenFamily>{
        // NVRTC 12.8 serializes its wgmma instructions, whatever the config.
        {"sm90_mha_varlen", sm90_mha_varlen_refusal, make_sm90_mha_varlen, {12, 9}},
        {"sm80_mha_varlen", sm80_mha_varlen_refusal, make_sm80_mha_varlen},
    };
  });
}

std::unique_ptr<MhaVarlenKernels> choose_mha_varlen(const MhaVarlenConfig& config, const SmFeatures& features,
                                                    KeyMasking masking) {
  check_mha_varlen_config(config, masking == KeyMasking::kBitmask ? kMaskedMha : kMhaVarlen);
  std::string reasons;
  for (const MhaVarlenFamily& family : mha_varlen_families()) {
    const std::string refusal = family.refusal(config, masking, features);
    if (refusal.empty()) {
      return std::make_unique<NamedMhaVarlenKernels>(family.make(config, masking, features), asked_for(config, masking),
                                                     family.oldest_compiler);
    }
    reasons += fmt::format("\n  {}: {}", family.name, refusal);
  }
  throw Error(Status::kUnsupported, fmt::format("no kernel serves {}:{}", asked_for(config, masking), reasons));
}

}  // namespace attnjit::runtime
