#include "runtime/sm_features.h"

#include <fmt/format.h>

#include "attnjit/error.hpp"

namespace attnjit::runtime {

SmFeatures sm_features(const jit::Target& target) {
  // Per compute capability: CUDA programming guide, "Technical Specifications per Compute Capability". A CTA's opt-in
  // limit is the SM's shared memory minus the 1 KB the driver reserves.
  constexpr int kKiB = 1024;
  int smem_per_sm = 0;
  switch (target.number()) {
    case 80:
    case 87: smem_per_sm = 164 * kKiB; break;
    case 86:
    case 89: smem_per_sm = 100 * kKiB; break;
    case 90:
    case 100:
    case 103:
    case 110: smem_per_sm = 228 * kKiB; break;
    default:
      // 12.x has 100 KB. Unknown later SMs are planned with 100 KB as well, the minimum of all SMs so far.
      if (target.major >= 8) smem_per_sm = 100 * kKiB;
  }
  if (smem_per_sm == 0) {
    throw Error(Status::kUnsupported,
                fmt::format("{} is not served: kernels need SM 8.0 (Ampere) or newer", target.name()));
  }
  SmFeatures features;
  features.sm = target.number();
  features.smem_per_sm = smem_per_sm;
  features.smem_per_cta = smem_per_sm - kReservedSmemPerCta;
  features.e4m3_cvt = target.number() >= 89;
  features.dependent_launch = target.number() >= 90;
  features.wgmma = target.number() == 90 && target.suffix == 'a';
  return features;
}

}  // namespace attnjit::runtime
