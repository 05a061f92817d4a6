// The public name of a type and the kernels' name of it.
#pragma once

#include "attnjit/tensor.hpp"
#include "templates/shared/types.h"

namespace attnjit::runtime {

/// Of a type that a tensor of values may have: not kInt32.
inline kernel::Element element_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat16: return kernel::Element::kFloat16;
    case DType::kFloat8E4M3: return kernel::Element::kFloat8E4M3;
    case DType::kFloat32: return kernel::Element::kFloat32;
    default: return kernel::Element::kBFloat16;
  }
}

}  // namespace attnjit::runtime
