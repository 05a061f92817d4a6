// Tensors as TMA reads them.
#pragma once

#include <cstdint>

#include "templates/shared/tensor_map.h"
#include "templates/shared/tensor_views.h"
#include "templates/shared/types.h"

namespace attnjit::runtime {

/// What a box holds of a row: a slab of 16-bit columns, swizzled, or words of a mask, unswizzled.
enum class BoxColumns : int { kSlab = 0, kMaskWords = 1 };

/// A tensor [tokens, heads, columns], loaded in boxes [rows, 1, box_columns]. Out-of-bounds elements of a box are zero.
/// Strides may be 0.
struct TensorMapRequest {
  kernel::TokenRows rows{};
  std::int64_t tokens = 0;
  std::int64_t heads = 0;
  int columns = 0;
  int box_rows = 0;
  kernel::Element element = kernel::Element::kBFloat16;  // for a slab
  BoxColumns box_columns = BoxColumns::kSlab;

  int element_bytes() const { return box_columns == BoxColumns::kMaskWords ? 4 : bytes_of(element); }
};

}  // namespace attnjit::runtime
