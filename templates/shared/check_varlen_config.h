// Config of the check of a packed call's lengths, and what follows from a config alone.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

#define ATTNJIT_CHECK_VARLEN_FIELDS(FIELD) FIELD(int, warps) /* of the one CTA */

struct CheckVarlenConfig {
  ATTNJIT_CONFIG_MEMBERS(ATTNJIT_CHECK_VARLEN_FIELDS)
  constexpr bool operator==(const CheckVarlenConfig&) const = default;
};

ATTNJIT_HOST_DEVICE constexpr int threads(const CheckVarlenConfig& c) { return c.warps * 32; }
ATTNJIT_HOST_DEVICE constexpr int min_ctas_per_sm(const CheckVarlenConfig&) { return 1; }

/// Bytes of dynamic shared memory: what each thread found.
ATTNJIT_HOST_DEVICE constexpr int smem_bytes(const CheckVarlenConfig& c) { return threads(c) * 8; }

}  // namespace attnjit::kernel
