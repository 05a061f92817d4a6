#include "runtime/mla_decode_kernels.h"

#include "process/made_once.h"
#include "runtime/kernels/sm80_mla_decode.h"
#include "runtime/operator_config.h"

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
  return choose_family(mla_decode_families(), config, features, to_json(config));
}

}  // namespace attnjit::runtime
