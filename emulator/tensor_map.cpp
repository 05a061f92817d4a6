#include "emulator/tensor_map.h"

#include <fmt/format.h>

#include <atomic>
#include <cstring>
#include <stdexcept>

#include "emulator/ptx/machine.h"

namespace attnjit::emulator {
namespace {

constexpr std::uint64_t kMagic = 0x61747469'6c65'6d61;
constexpr u32 kChunk = 16;
static_assert(sizeof(TensorDescription) <= sizeof(kernel::TensorMap));
static_assert(kernel::kSlabColumns * 2 == kSlabRowBytes);

/// The limits of cuTensorMapEncodeTiled, for these maps.
void check(const runtime::TensorMapRequest& request) {
  const auto refuse = [](const std::string& message) { throw std::invalid_argument("tensor map: " + message); };
  const auto address = reinterpret_cast<std::uintptr_t>(request.rows.data);
  if (address == 0 || address % 16 != 0) {
    refuse(fmt::format("the address {:#x} is null or no multiple of 16", address));
  }
  for (const std::int64_t stride : {request.rows.head_stride, request.rows.token_stride}) {
    const std::int64_t bytes = stride * request.element_bytes();
    if (bytes < 0 || bytes % 16 != 0 || bytes >= std::int64_t{1} << 40) {
      refuse(fmt::format("a stride of {} bytes; allowed are multiples of 16 from 0 to 2^40", bytes));
    }
  }
  for (const std::int64_t size : {request.tokens, request.heads, std::int64_t{request.columns}}) {
    if (size < 1 || size > std::int64_t{1} << 32) refuse(fmt::format("a size of {}; allowed are 1 to 2^32", size));
  }
  if (request.box_rows < 1 || request.box_rows > 256) {
    refuse(fmt::format("a box of {} rows; allowed are 1 to 256", request.box_rows));
  }
  if (request.box_columns == runtime::BoxColumns::kSlab && request.element_bytes() != 2) {
    refuse("the elements of its slabs are not of 16 bits");
  }
}

}  // namespace

void describe_tensor(const runtime::TensorMapRequest& request, kernel::TensorMap& map) {
  check(request);
  const TensorDescription tensor{.magic = kMagic,
                                 .data = request.rows.data,
                                 .token_stride = request.rows.token_stride,
                                 .head_stride = request.rows.head_stride,
                                 .tokens = request.tokens,
                                 .heads = request.heads,
                                 .columns = request.columns,
                                 .box_rows = request.box_rows,
                                 .box_columns = request.box_columns};
  std::memset(&map, 0, sizeof(map));
  std::memcpy(&map, &tensor, sizeof(tensor));
}

const TensorDescription* description_of(const kernel::TensorMap& map) {
  const auto* const tensor = reinterpret_cast<const TensorDescription*>(&map);
  return tensor->magic == kMagic ? tensor : nullptr;
}

u32 TensorDescription::row_bytes() const {
  return box_columns == runtime::BoxColumns::kMaskWords ? kernel::kMaskBoxWords * 4 : kSlabRowBytes;
}

void copy_box(const TensorDescription& tensor, int column, int head, int token, u8* to, u32 address) {
  const auto* const data = static_cast<const u8*>(tensor.data);
  for (int row = 0; row < tensor.box_rows; ++row) {
    const std::int64_t at = std::int64_t{token} + row;
    const bool inside = at >= 0 && at < tensor.tokens && head >= 0 && head < tensor.heads;
    const u32 element_bytes = tensor.element_bytes();
    for (u32 chunk = 0; chunk < tensor.row_bytes() / kChunk; ++chunk) {
      const u32 offset = static_cast<u32>(row) * tensor.row_bytes() + chunk * kChunk;
      const bool as_they_lie = tensor.box_columns == runtime::BoxColumns::kMaskWords;
      u8* const destination = to + (as_they_lie ? offset : swizzled(address + offset) - address);
      std::memset(destination, 0, kChunk);
      const int first = column + static_cast<int>(chunk * kChunk / element_bytes);
      if (!inside || first < 0 || first >= tensor.columns) continue;
      const int count = std::min(tensor.columns - first, static_cast<int>(kChunk / element_bytes));
      std::memcpy(destination, data + (at * tensor.token_stride + head * tensor.head_stride + first) * element_bytes,
                  static_cast<std::size_t>(count) * element_bytes);
    }
  }
}

EmulatedStream new_stream() {
  static std::atomic<std::uint64_t> next{0};
  return next++;
}

}  // namespace attnjit::emulator
