#include "runtime/kernels/mask_from_topk.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "attnjit/error.hpp"
#include "templates/shared/mask_from_topk_config.h"

namespace attnjit::runtime {
namespace {

// A whole SM's threads for 64 queries: reading indices takes as many loads under way as there can be. Chunks of 16384
// positions fill the shared memory that every SM has (99 KB) to two thirds.
constexpr kernel::MaskFromTopkConfig kConfig{.warps = 32, .chunk_words = 512};
constexpr int kMostParts = 2;

}  // namespace

KernelPlan mask_from_topk_plan() {
  return make_plan("mask_from_topk", "MaskFromTopkConfig", "MaskFromTopkParams", kConfig);
}

unsigned plan_mask_from_topk(MaskFromTopkCall& call, const SmFeatures& features) {
  if (call.tile_rows == 0 || call.params.mask.words == 0) return 0;
  // A second CTA for each row of tiles pays where SMs would be idle. There are fewer than 2^25 + B rows.
  const std::int64_t idle_ratio = features.sm_count / call.tile_rows;
  call.params.parts = static_cast<int>(std::clamp<std::int64_t>(idle_ratio, 1, kMostParts));
  const int words_per_part = kernel::ceil_div(call.params.mask.words, call.params.parts);
  call.params.chunk_words =
      std::min(kConfig.chunk_words, kernel::ceil_div(words_per_part, kernel::kMaskTile) * kernel::kMaskTile);
  const std::int64_t grid = call.tile_rows * call.params.parts;
  if (grid > std::numeric_limits<int>::max()) {
    throw Error(
        Status::kInvalidArgument,
        fmt::format("mask_from_topk: {} rows of tiles are more CTAs than a grid has (2^31 - 1): split the batch",
                    call.tile_rows));
  }
  return static_cast<unsigned>(grid);
}

}  // namespace attnjit::runtime
