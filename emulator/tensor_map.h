// The emulator's tensor maps: a description of the tensor in place of the driver's opaque encoding.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/tensor_map.h"

namespace attnjit::emulator {

/// Contents of an emulated TensorMap.
struct TensorDescription {
  std::uint64_t magic;
  const void* data;
  std::int64_t token_stride;  // strides in elements
  std::int64_t head_stride;
  std::int64_t tokens;
  std::int64_t heads;
  std::int32_t columns;
  std::int32_t box_rows;
  runtime::BoxColumns box_columns;

  kernel::u32 element_bytes() const { return box_columns == runtime::BoxColumns::kMaskWords ? 4 : 2; }
  kernel::u32 row_bytes() const;
  kernel::u32 box_bytes() const { return static_cast<kernel::u32>(box_rows) * row_bytes(); }
};

/// Throws std::invalid_argument for a tensor that the driver would reject.
void describe_tensor(const runtime::TensorMapRequest& request, kernel::TensorMap& map);
/// Null if the map does not come from describe_tensor().
const TensorDescription* description_of(const kernel::TensorMap& map);

/// Copies the box at (column, head, token) to `to`, whose shared address is `address`. Rows of 128 bytes with 16-byte
/// chunks swizzled by the row, or rows of mask words unswizzled; zeros outside the tensor.
void copy_box(const TensorDescription& tensor, int column, int head, int token, kernel::u8* to, kernel::u32 address);

/// The stream of a launch, as a unique number; none for a captured launch.
using EmulatedStream = std::optional<std::uint64_t>;
/// A stream that no other launch uses. A launch that ends with a fault leaves its tile counter where it was.
EmulatedStream new_stream();

}  // namespace attnjit::emulator
