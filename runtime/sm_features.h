// What an SM offers a kernel's plan: limits and instructions. Config fields are derived from it, so one GPU can run
// what is planned for an older or smaller one.
#pragma once

#include "jit/target.h"

namespace attnjit::runtime {

struct SmFeatures {
  int sm = 0;            // 90 for compute capability 9.0
  int smem_per_cta = 0;  // bytes of dynamic shared memory per CTA (opt-in limit)
  int smem_per_sm = 0;   // bytes for all CTAs of an SM; each CTA also takes kReservedSmemPerCta
  int registers_per_sm = 65536;
  int sm_count = 132;             // the device's; without a device that of an H100 or H200. Only affects tile choice
  bool e4m3_cvt = false;          // cvt to and from e4m3 (8.9 on)
  bool dependent_launch = false;  // griddepcontrol (9.0 on)
  bool wgmma = false;             // wgmma, setmaxnreg and TMA (sm_90a)
  bool operator==(const SmFeatures&) const = default;
};

/// Shared memory the driver reserves per CTA (CUDA programming guide, technical specifications).
inline constexpr int kReservedSmemPerCta = 1024;

/// Throws Error(kUnsupported) below SM 8.0.
SmFeatures sm_features(const jit::Target& target);

}  // namespace attnjit::runtime
