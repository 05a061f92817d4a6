#include "runtime/driver_launcher.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "attnjit/error.hpp"
#include "runtime/stream_id.h"
#include "templates/shared/tile_counters.h"

namespace attnjit::runtime {
namespace {

/// Compares everything a map depends on.
bool same(const TensorMapRequest& a, const TensorMapRequest& b) {
  return a.rows.data == b.rows.data && a.rows.token_stride == b.rows.token_stride &&
         a.rows.head_stride == b.rows.head_stride && a.tokens == b.tokens && a.heads == b.heads &&
         a.columns == b.columns && a.box_rows == b.box_rows && a.element == b.element && a.box_columns == b.box_columns;
}

/// The tensor maps this thread encoded most recently for one position among a launch's maps. Model layers use different
/// pointers, and q never evicts k, so a call finds all maps of a recent one wherever its tensors are.
class MapsOfPlace {
 public:
  const kernel::TensorMap* find(const TensorMapRequest& request) {
    if (same(request, requests_[last_])) return &maps_[last_];
    for (std::size_t i = 0; i < kKept; ++i) {
      if (data_[i] != request.rows.data || !same(request, requests_[i])) continue;
      last_ = i;
      return &maps_[i];
    }
    return nullptr;
  }
  /// Replaces the oldest.
  void keep(const TensorMapRequest& request, const kernel::TensorMap& map) {
    last_ = (newest_ = (newest_ + 1) % kKept);
    data_[last_] = request.rows.data;
    requests_[last_] = request;
    maps_[last_] = map;
  }

 private:
  static constexpr std::size_t kKept = 16;
  std::size_t last_ = 0;                   // last found or kept
  std::size_t newest_ = 0;                 // last kept
  std::array<const void*, kKept> data_{};  // pointers of the requests, kept contiguous
  // A default request (no tokens) never matches: an empty tensor has no map.
  std::array<TensorMapRequest, kKept> requests_{};
  std::array<kernel::TensorMap, kKept> maps_{};
};

constexpr std::size_t kPlaces = 6;  // no kernel has more maps
thread_local constinit std::array<MapsOfPlace, kPlaces> kept_maps{};

}  // namespace

int DriverLauncher::tile_counter(int plan) {
  TileCounters& counters = kernels_[plan].tile_counters();
  if (is_captured(driver_, stream_)) return kernel::kNoTileCounter;
  // Each context has its own counters, so one number serves all legacy default streams and saves a driver query.
  if (is_legacy_default(stream_)) return counters.of_stream(TileCounters::kLegacyDefaultStream);
  return counters.of_stream(stream_id(driver_, stream_));
}

void* DriverLauncher::workspace(std::size_t bytes) {
  held_.emplace();
  workspace_ = workspace_for_call(source_.check, source_.given, source_.reserved, stream_, bytes);
  return workspace_.data;
}

void DriverLauncher::launch(const Step& step, const void* args) {
  kernels_[step.plan].launch(step.ctas, args, stream_, step.order);
}

void DriverLauncher::encode(const TensorMapRequest& request, kernel::TensorMap& map) {
  MapsOfPlace& kept = kept_maps[place_++ % kPlaces];
  if (const kernel::TensorMap* const found = kept.find(request)) [[likely]] {
    map = *found;
    return;
  }
  encode_anew(request, map);
  kept.keep(request, map);
}

void DriverLauncher::encode_anew(const TensorMapRequest& request, kernel::TensorMap& map) const {
  // Dims from the innermost: columns, heads, tokens. The innermost stride is one element and is not passed.
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
  CUtensorMap encoded;  // aligned as its own header says, which in newer headers is more than kernels need
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
}

}  // namespace attnjit::runtime
