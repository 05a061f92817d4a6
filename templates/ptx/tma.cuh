// TMA: tile loads by the tensor memory accelerator (SM 9.0 on).
#pragma once

#include "ptx/mbarrier.cuh"
#include "shared/tensor_map.h"

namespace attnjit::kernel {

/// PTX ISA 9.7.9.27.1.2, cp.async.bulk.tensor, 3 dimensions: loads the box of `map` at (column, head, token), swizzled
/// as the map says. Its bytes count toward the transaction count of `barrier`. Issued by one thread.
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
