// Pipelines of stages in shared memory, each with a full and an empty mbarrier.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

/// The current stage and the parity of its phase. A producer waits for `empty` with parity ^ 1, a consumer for `full`
/// with parity.
template <int kStages>
struct PipelineState {
  int stage = 0;
  u32 parity = 0;
  ATTNJIT_DEVICE void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
  ATTNJIT_DEVICE PipelineState previous() const {
    return {stage == 0 ? kStages - 1 : stage - 1, stage == 0 ? parity ^ 1 : parity};
  }
};

}  // namespace attnjit::kernel
