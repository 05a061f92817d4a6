// TMA tile loads on the emulator.
#pragma once

#include "ptx/mbarrier.cuh"
#include "shared/tensor_map.h"

namespace attnjit::kernel {

ATTNJIT_DEVICE void tma_load(u32 destination, const TensorMap& map, u32 barrier, int column, int head, int token,
                             Site site = Site::here()) {
  machine().tma_load(site, destination, map, barrier, column, head, token);
}
ATTNJIT_DEVICE void prefetch_tensor_map(const TensorMap&) {}

}  // namespace attnjit::kernel
