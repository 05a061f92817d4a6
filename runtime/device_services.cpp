#include "runtime/device_services.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "attnjit/error.hpp"
#include "templates/shared/tile_counters.h"

namespace attnjit::runtime {
namespace {

/// Everything that a map depends on, without padding between.
struct MapKey {
  std::uint64_t data;
  std::int64_t token_stride, head_stride, tokens, heads;
  std::int32_t columns, box_rows, element, box_columns;
  bool operator==(const MapKey&) const = default;
};

MapKey key_of(const TensorMapRequest& r) {
  return {reinterpret_cast<std::uintptr_t>(r.rows.data),
          r.rows.token_stride,
          r.rows.head_stride,
          r.tokens,
          r.heads,
          r.columns,
          r.box_rows,
          static_cast<std::int32_t>(r.element),
          static_cast<std::int32_t>(r.box_columns)};
}

struct CachedMap {
  MapKey key{};
  kernel::TensorMap map{};
};

/// Of the tensors of some calls back: an operator has five or six, and layers come with other pointers.
constexpr std::size_t kCachedMaps = 64;

std::size_t slot_of(const MapKey& key) {
  const std::uint64_t mixed =
      (key.data >> 4 ^ static_cast<std::uint64_t>(key.columns) << 20 ^ static_cast<std::uint64_t>(key.box_rows) << 32 ^
       static_cast<std::uint64_t>(key.tokens)) *
      0x9e3779b97f4a7c15ull;
  return mixed >> 58;
}

}  // namespace

int TileCounters::of(const Driver& driver, CUstream stream) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  driver.check(driver.cuStreamIsCapturing(stream, &status), "cuStreamIsCapturing");
  constexpr std::uint32_t kOfStreams = 4096;
  const std::lock_guard lock(mutex_);
  if (status == CU_STREAM_CAPTURE_STATUS_ACTIVE) {
    return static_cast<int>(kOfStreams + captured_++ % (kernel::kTileCounters - kOfStreams));
  }
  const auto next = static_cast<int>(of_stream_.size() % kOfStreams);
  return of_stream_.try_emplace(stream, next).first->second;
}

void DeviceServices::encode(const TensorMapRequest& request, kernel::TensorMap& map) {
  thread_local std::array<CachedMap, kCachedMaps> cached;
  const MapKey key = key_of(request);
  CachedMap& entry = cached[slot_of(key)];
  if (entry.key == key && key.data != 0) {
    map = entry.map;
    return;
  }
  // Dims from the innermost: columns, heads, tokens. The innermost stride is one element, and not told.
  const cuuint64_t dims[3] = {static_cast<cuuint64_t>(request.columns), static_cast<cuuint64_t>(request.heads),
                              static_cast<cuuint64_t>(request.tokens)};
  const cuuint64_t strides[2] = {static_cast<cuuint64_t>(request.rows.head_stride * request.element_bytes()),
                                 static_cast<cuuint64_t>(request.rows.token_stride * request.element_bytes())};
  const bool words = request.box_columns == BoxColumns::kMaskWords;
  const cuuint32_t box[3] = {static_cast<cuuint32_t>(words ? kernel::kMaskBoxWords : kernel::kSlabColumns), 1,
                             static_cast<cuuint32_t>(request.box_rows)};
  const cuuint32_t steps[3] = {1, 1, 1};
  const CUtensorMapDataType type = words                                          ? CU_TENSOR_MAP_DATA_TYPE_UINT32
                                   : request.element == kernel::Element::kFloat16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                                                  : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  CUtensorMap encoded;  // aligned as its own header says, which is more than kernels ask for in newer ones
  const CUresult result = driver_.cuTensorMapEncodeTiled(
      &encoded, type, 3, const_cast<void*>(request.rows.data), dims, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      words ? CU_TENSOR_MAP_SWIZZLE_NONE : CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) [[unlikely]] {
    throw Error(
        Status::kDriverError,
        fmt::format("cuTensorMapEncodeTiled refuses a tensor of [{} tokens, {} heads, {} columns] with strides of "
                    "{} and {} elements: {}",
                    request.tokens, request.heads, request.columns, request.rows.token_stride, request.rows.head_stride,
                    driver_.describe(result)));
  }
  static_assert(sizeof(encoded) == sizeof(map));
  std::memcpy(&map, &encoded, sizeof(map));
  entry = {key, map};
}

}  // namespace attnjit::runtime
