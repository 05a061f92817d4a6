#include "operators/mask_from_topk/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "attnjit/error.hpp"
#include "operators/operator_config.h"
#include "templates/shared/mask_from_topk_config.h"

namespace attnjit::runtime {
namespace {

// All threads of an SM work on 64 queries: reading indices needs as many loads in flight as possible. Chunks of 16384
// positions fill two thirds of the shared memory that every SM has (99 KB).
constexpr kernel::MaskFromTopkConfig kConfig{.warps = 32, .chunk_words = 512};
constexpr int kMostParts = 2;

}  // namespace

KernelPlan mask_from_topk_plan() {
  return make_plan("mask_from_topk", "MaskFromTopkConfig", "MaskFromTopkParams", kConfig);
}

namespace {

class GenericMaskFromTopk final : public MaskFromTopkKernels {
 public:
  explicit GenericMaskFromTopk(const SmFeatures& features) : sm_count_(features.sm_count) {
    plans_.push_back(mask_from_topk_plan());
  }

  Schedule schedule(const MaskFromTopkCall& call, const Forced&) const override {
    if (call.tile_rows == 0 || call.params.mask.words == 0) return {};
    const std::int64_t grid = call.tile_rows * parts(call);
    if (grid > std::numeric_limits<int>::max()) {
      throw Error(
          Status::kInvalidArgument,
          fmt::format("mask_from_topk: {} rows of tiles are more CTAs than a grid has (2^31 - 1): split the batch",
                      call.tile_rows));
    }
    return Schedule().then({.ctas = static_cast<unsigned>(grid)});
  }

  const void* args(const MaskFromTopkCall& call, const Schedule&, int, void*, Launcher&,
                   ArgsStorage& storage) const override {
    kernel::MaskFromTopkParams& args = storage.make(call.params);
    args.parts = parts(call);
    const int words_per_part = kernel::ceil_div(args.mask.words, args.parts);
    args.chunk_words =
        std::min(kConfig.chunk_words, kernel::ceil_div(words_per_part, kernel::kMaskTile) * kernel::kMaskTile);
    return &args;
  }

 private:
  /// A second CTA per row of tiles pays off where SMs would be idle. There are fewer than 2^25 + B rows.
  int parts(const MaskFromTopkCall& call) const {
    return static_cast<int>(std::clamp<std::int64_t>(sm_count_ / call.tile_rows, 1, kMostParts));
  }

  int sm_count_;
};

}  // namespace

std::unique_ptr<MaskFromTopkKernels> make_mask_from_topk(const SmFeatures& features) {
  return std::make_unique<GenericMaskFromTopk>(features);
}

std::unique_ptr<MaskFromTopkKernels> choose_mask_from_topk(const MaskFromTopkConfig& config,
                                                           const SmFeatures& features) {
  auto kernels = make_mask_from_topk(features);
  kernels->serve(text_of(config), jit::kOldestNvrtc);
  return kernels;
}

}  // namespace attnjit::runtime
