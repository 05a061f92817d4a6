#include "operators/mha_varlen/kernels.h"

#include "operators/mha_varlen/sm80.h"
#include "operators/mha_varlen/sm90.h"
#include "operators/operator_config.h"
#include "process/made_once.h"

namespace attnjit::runtime {
namespace {

OperatorText asked_for(const MhaVarlenConfig& config, KeyMasking masking) {
  return masking == KeyMasking::kBitmask ? text_of(MaskedMhaConfig{config}) : text_of(config);
}

}  // namespace

const std::vector<MhaVarlenFamily>& mha_varlen_families() {
  static constinit process::MadeOnce<std::vector<MhaVarlenFamily>> families;
  return families.get([] {
    return std::vector<MhaVarlenFamily>{
        // NVRTC 12.8 serializes this kernel's wgmma instructions, whatever the config.
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
