// Views of tensors for the library and for the plain kernels.
#pragma once

#include <cstdint>

#include "attnjit/tensor.hpp"
#include "verify/reference/device/params.h"

namespace attnjit::gpu_tests {

inline reference::Element element_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat16: return reference::Element::kFloat16;
    case DType::kFloat32: return reference::Element::kFloat32;
    case DType::kFloat8E4M3: return reference::Element::kFloat8E4M3;
    default: return reference::Element::kBFloat16;
  }
}

/// Some columns of a [tokens, heads, columns] tensor.
inline Tensor columns_of(Tensor tensor, std::int64_t first, std::int64_t count) {
  if (tensor.data != nullptr) tensor.data = static_cast<char*>(tensor.data) + first * size_in_bytes(tensor.dtype);
  tensor.shape[2] = count;
  return tensor;
}

/// For a [tokens, heads, columns] tensor, or a [tokens, columns] one that all heads share.
inline reference::Rows rows_of(const Tensor& tensor) {
  return {tensor.data, tensor.strides[0], tensor.rank == 2 ? 0 : tensor.strides[1]};
}

}  // namespace attnjit::gpu_tests
