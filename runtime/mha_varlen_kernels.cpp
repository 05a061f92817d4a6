#include "runtime/mha_varlen_kernels.h"

#include "process/made_once.h"
#include "runtime/kernels/sm80_mha_varlen.h"
#include "runtime/kernels/sm90_mha_varlen.h"
#include "runtime/operator_config.h"

namespace attnjit::runtime {
namespace {

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
        {{"sm90_mha_varlen"}, sm90_mha_varlen_refusal, make_sm90_mha_varlen, {12, 9}},
        {{"sm80_mha_varlen"}, sm80_mha_varlen_refusal, make_sm80_mha_varlen},
    };
  });
}

std::unique_ptr<MhaVarlenKernels> choose_mha_varlen(const MhaVarlenConfig& config, const SmFeatures& features,
                                                    KeyMasking masking) {
  check_mha_varlen_config(config, masking == KeyMasking::kBitmask ? kMaskedMha : kMhaVarlen);
  return choose_family(mha_varlen_families(), {config, masking}, features, asked_for(config, masking));
}

}  // namespace attnjit::runtime
