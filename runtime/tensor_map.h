// Tensors as Hopper's copy engine reads them.
#pragma once

#include <cstdint>

#include "templates/shared/tensor_map.h"
#include "templates/shared/tensor_views.h"
#include "templates/shared/types.h"

namespace attnjit::runtime {

/// What a box has of a row: a slab's columns of 16 bits, swizzled, or words of a mask as they lie.
enum class BoxColumns : int { kSlab = 0, kMaskWords = 1 };

/// A tensor [tokens, heads, columns], of which boxes [rows, 1, box_columns] are fetched. What a box has beyond the
/// tensor's end is zero. A stride may be 0.
struct TensorMapRequest {
  kernel::TokenRows rows{};
  std::int64_t tokens = 0;
  std::int64_t heads = 0;
  int columns = 0;
  int box_rows = 0;
  kernel::Element element = kernel::Element::kBFloat16;  // of a slab
  BoxColumns box_columns = BoxColumns::kSlab;

  int element_bytes() const { return box_columns == BoxColumns::kMaskWords ? 4 : bytes_of(element); }
};

}  // namespace attnjit::runtime
