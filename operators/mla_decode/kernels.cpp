#include "operators/mla_decode/kernels.h"

#include "operators/mla_decode/sm80.h"
#include "operators/operator_config.h"
#include "process/made_once.h"

namespace attnjit::runtime {

const std::vector<MlaDecodeFamily>& mla_decode_families() {
  static constinit process::MadeOnce<std::vector<MlaDecodeFamily>> families;
  return families.get([] {
    return std::vector<MlaDecodeFamily>{
        {{"sm80_mla_decode", "sm80_mla_combine"}, sm80_mla_decode_refusal, make_sm80_mla_decode},
    };
  });
}

std::unique_ptr<MlaDecodeKernels> choose_mla_decode(const MlaDecodeConfig& config, const SmFeatures& features) {
  check_mla_decode_config(config);
  return choose_family(mla_decode_families(), config, features, text_of(config));
}

}  // namespace attnjit::runtime
