// Copies of tiles by the tensor memory accelerator (SM 9.0 on).
#pragma once

#include "ptx/mbarrier.cuh"
#include "shared/tensor_map.h"

namespace attnjit::kernel {

/// PTX ISA 9.7.9.27.1.2, cp.async.bulk.tensor, 3 dimensions: the box of `map` at (column, head, token), as the map
/// swizzles it. `barrier` counts its bytes. One thread issues it.
ATTNJIT_DEVICE void tma_load(u32 destination, const TensorMap& map, u32 barrier, int column, int head, int token) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::
          "r"(destination),
      "l"(&map), "r"(barrier), "r"(column), "r"(head), "r"(token)
      : "memory");
}
/// PTX ISA 9.7.9.27.1.1, prefetch.tensormap.
ATTNJIT_DEVICE void prefetch_tensor_map(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

}  // namespace attnjit::kernel
