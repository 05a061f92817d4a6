// Config of the kernel that checks a call's index tensors, and what follows from the config alone.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

#define ATTNJIT_CHECK_INDICES_FIELDS(FIELD) FIELD(int, warps) /* of the one CTA */

struct CheckIndicesConfig {
  ATTNJIT_CONFIG_MEMBERS(ATTNJIT_CHECK_INDICES_FIELDS)
  constexpr bool operator==(const CheckIndicesConfig&) const = default;
};

ATTNJIT_HOST_DEVICE constexpr int threads(const CheckIndicesConfig& c) { return c.warps * 32; }
ATTNJIT_HOST_DEVICE constexpr int min_ctas_per_sm(const CheckIndicesConfig&) { return 1; }

/// Bytes of dynamic shared memory: each thread's result.
ATTNJIT_HOST_DEVICE constexpr int smem_bytes(const CheckIndicesConfig& c) { return threads(c) * 8; }

}  // namespace attnjit::kernel
