#include "verify/placed_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "verify/poison.h"
#include "verify/views.h"

namespace attnjit::gpu_tests {
namespace {

/// Offsets in elements.
struct Placement {
  std::int64_t first = 0;
  std::int64_t token_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t extent = 0;  // of the whole buffer
};

Placement placement_of(Storage storage, std::int64_t tokens, std::int64_t heads, std::int64_t columns) {
  constexpr std::int64_t kPast = (std::int64_t{1} << 31) + 4096;
  const auto far_stride = [](std::int64_t count) {
    return kPast / std::max<std::int64_t>(count - 1, 1) / 16 * 16 + 16;
  };
  Placement p;
  switch (storage) {
    case Storage::kPacked:
      p.head_stride = columns;
      p.token_stride = heads * columns;
      break;
    case Storage::kPadded:
      p.head_stride = columns + 16;
      p.token_stride = heads * p.head_stride + 48;
      break;
    case Storage::kHeadsFirst:
      p.token_stride = columns;
      p.head_stride = (tokens + 5) * columns;
      break;
    case Storage::kOneToken:
      p.head_stride = columns;
      p.token_stride = 0;
      break;
    case Storage::kOneHead:
      p.head_stride = 0;
      p.token_stride = columns;
      break;
    case Storage::kFarTokens:
      p.head_stride = columns;
      p.token_stride = far_stride(tokens);
      break;
    case Storage::kFarHeads:
      p.token_stride = columns;
      p.head_stride = far_stride(heads);
      break;
  }
  p.first = 64;  // 16-byte aligned for every type
  // After the last row, leaves the space of three packed tokens, and a tile of rows where rows are close together.
  p.extent = p.first + std::max<std::int64_t>(tokens - 1, 0) * p.token_stride +
             std::max<std::int64_t>(heads - 1, 0) * p.head_stride + columns + 3 * heads * columns + 64;
  return p;
}

}  // namespace

// ---- placing -------------------------------------------------------------------------------------------------------

Tensor PlacedTensors::place(Storage storage, DType dtype, std::uint32_t pattern, std::int64_t tokens,
                            std::int64_t heads, std::int64_t columns) {
  const Placement p = placement_of(storage, tokens, heads, columns);
  const int element_bytes = size_in_bytes(dtype);
  const DeviceBuffer& buffer = buffers_.emplace_back(p.extent * element_bytes);
  buffer.fill(pattern, element_bytes);
  // A tensor without elements may have a null pointer; engines pass them.
  char* const data = tokens == 0 ? nullptr : buffer.data<char>() + p.first * element_bytes;
  return Tensor::strided(data, dtype, {tokens, heads, columns}, {p.token_stride, p.head_stride, 1});
}

Tensor PlacedTensors::input(Storage storage, DType dtype, std::int64_t tokens, std::int64_t heads,
                            std::int64_t columns) {
  return place(storage, dtype, input_poison(dtype), tokens, heads, columns);
}

Tensor PlacedTensors::output(const char* name, Storage storage, DType dtype, std::int64_t tokens, std::int64_t heads,
                             std::int64_t columns) {
  outputs_.push_back({name, dtype, buffers_.size()});
  return place(storage, dtype, out_poison(dtype), tokens, heads, columns);
}

Tensor PlacedTensors::place_lse(LseStorage storage, std::uint32_t pattern, std::int64_t tokens, std::int64_t heads) {
  std::int64_t token_stride = 1;
  std::int64_t head_stride = tokens;
  switch (storage) {
    case LseStorage::kNone: return {};
    case LseStorage::kHeadsFirst: break;
    case LseStorage::kTokensFirst:
      token_stride = heads;
      head_stride = 1;
      break;
    case LseStorage::kPadded:  // element alignment is enough
      token_stride = 3;
      head_stride = 3 * tokens + 7;
      break;
  }
  constexpr std::int64_t kFirst = 5;
  const std::int64_t extent = kFirst + tokens * token_stride + heads * head_stride + 16;
  const DeviceBuffer& buffer = buffers_.emplace_back(extent * 4);
  buffer.fill(pattern, 4);
  return Tensor::strided(buffer.data<float>() + kFirst, DType::kFloat32, {tokens, heads}, {token_stride, head_stride});
}

Tensor PlacedTensors::input_lse(LseStorage storage, std::int64_t tokens, std::int64_t heads) {
  return place_lse(storage, input_poison(DType::kFloat32), tokens, heads);
}

Tensor PlacedTensors::output_lse(const char* name, LseStorage storage, std::int64_t tokens, std::int64_t heads) {
  if (storage == LseStorage::kNone) return {};
  outputs_.push_back({name, DType::kFloat32, buffers_.size()});
  return place_lse(storage, out_poison(DType::kFloat32), tokens, heads);
}

Tensor PlacedTensors::vector(std::vector<int> values, int behind) {
  const auto size = static_cast<std::int64_t>(values.size());
  values.resize(values.size() + 4, behind);
  return Tensor::contiguous(buffers_.emplace_back(DeviceBuffer::of(values)).data(), DType::kInt32, {size});
}

Tensor PlacedTensors::vector(const std::vector<float>& values) {
  return Tensor::contiguous(buffers_.emplace_back(DeviceBuffer::of(values)).data(), DType::kFloat32,
                            {static_cast<std::int64_t>(values.size())});
}

void PlacedTensors::fill(const Tensor& tensor, reference::FillParams params) const {
  if (!tensor.given()) return;
  params.data = tensor.data;
  params.element = element_of(tensor.dtype);
  params.tokens = static_cast<int>(tensor.shape[0]);
  params.heads = tensor.rank == 2 ? 1 : static_cast<int>(tensor.shape[1]);
  params.columns = static_cast<int>(tensor.shape[tensor.rank - 1]);
  params.token_stride = tensor.strides[0];
  params.head_stride = tensor.rank == 2 ? 0 : tensor.strides[1];
  // Tokens that share their memory cannot differ.
  if (params.token_stride == 0 && params.pattern == reference::Pattern::kSpikes) {
    params.pattern = reference::Pattern::kNormal;
  }
  plain_.fill(params, nullptr);
}

// ---- taking --------------------------------------------------------------------------------------------------------

DeviceBuffer PlacedTensors::take_out(const Tensor& tensor, std::int64_t tokens) const {
  const int element_bytes = size_in_bytes(tensor.dtype);
  const std::int64_t columns = tensor.rank == 2 ? 1 : tensor.shape[2];
  DeviceBuffer packed(tokens * tensor.shape[1] * columns * element_bytes);
  plain_.take({.source = tensor.data,
               .destination = packed.data(),
               .element_bytes = element_bytes,
               .tokens = static_cast<int>(tokens),
               .heads = static_cast<int>(tensor.shape[1]),
               .columns = static_cast<int>(columns),
               .token_stride = tensor.strides[0],
               .head_stride = tensor.strides[1],
               .poison = out_poison(tensor.dtype)},
              nullptr);
  return packed;
}

void PlacedTensors::note_missing(const void* values, std::int64_t count, DType dtype, const char* name,
                                 std::string& trouble) {
  const std::uint32_t poison = out_poison(dtype);
  const auto bytes = static_cast<std::size_t>(size_in_bytes(dtype));
  std::int64_t left = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    left += std::memcmp(static_cast<const char*>(values) + i * static_cast<std::int64_t>(bytes), &poison, bytes) == 0;
  }
  if (left > 0) trouble += fmt::format("{} of {} elements of {} were not written; ", left, count, name);
}

std::string PlacedTensors::check_untouched() const {
  std::string trouble;
  for (const OutputBuffer& output : outputs_) {
    const DeviceBuffer& buffer = buffers_[output.buffer];
    const int element_bytes = size_in_bytes(output.dtype);
    const std::vector<std::uint64_t> none{0, ~std::uint64_t{0}};
    const DeviceBuffer result = DeviceBuffer::of(none);
    plain_.count({.data = buffer.data(),
                  .elements = buffer.bytes() / element_bytes,
                  .element_bytes = element_bytes,
                  .pattern = out_poison(output.dtype),
                  .result = result.data<reference::u64>()},
                 nullptr);
    const std::vector<std::uint64_t> found = result.download<std::uint64_t>();
    if (found[0] == 0) continue;
    trouble +=
        fmt::format("{} elements of {}'s buffer were written that belong to no row (the first at element {} of {}); ",
                    found[0], output.name, found[1], buffer.bytes() / element_bytes);
  }
  return trouble;
}

}  // namespace attnjit::gpu_tests
