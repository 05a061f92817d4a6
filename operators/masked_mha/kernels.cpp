#include "operators/masked_mha/kernels.h"

#include <utility>

#include "operators/mask_from_topk/kernels.h"
#include "operators/operator_config.h"

namespace attnjit::runtime {
namespace {

class MaskThenAttention final : public MaskedMhaKernels {
 public:
  MaskThenAttention(std::unique_ptr<MhaVarlenKernels> attention, std::unique_ptr<MaskFromTopkKernels> mask)
      : attention_(std::move(attention)), mask_(std::move(mask)) {
    plans_ = attention_->plans();
    plans_.push_back(mask_->plans().front());
  }

  Schedule schedule(const MaskedMhaCall& call, const Forced& forced) const override {
    const Schedule attention = attention_->schedule(call.attention, forced);
    if (attention.empty() || !call.build) return attention;
    Schedule both;
    both.workspace_bytes = mask_bytes(*call.build);
    const Schedule mask = mask_->schedule(*call.build);
    if (!mask.empty()) both.then({.plan = mask_plan(), .ctas = mask[0].ctas});
    return both.then(attention[0]);
  }

  const void* args(const MaskedMhaCall& call, const Schedule& schedule, int step, void* workspace, Launcher& launcher,
                   ArgsStorage& storage) const override {
    if (!call.build) return attention_->args(call.attention, schedule, step, nullptr, launcher, storage);
    MaskedMhaCall placed = call;
    place_mask(placed, workspace);
    return schedule[step].plan == mask_plan()
               ? mask_->args(*placed.build, schedule, step, nullptr, launcher, storage)
               : attention_->args(placed.attention, schedule, step, nullptr, launcher, storage);
  }

 private:
  int mask_plan() const { return static_cast<int>(plans_.size()) - 1; }

  std::unique_ptr<MhaVarlenKernels> attention_;  // its plans come first in plans_
  std::unique_ptr<MaskFromTopkKernels> mask_;
};

}  // namespace

std::unique_ptr<MaskedMhaKernels> choose_masked_mha(const MaskedMhaConfig& config, const SmFeatures& features) {
  auto kernels = std::make_unique<MaskThenAttention>(
      choose_mha_varlen(config.attention, features, KeyMasking::kBitmask), make_mask_from_topk(features));
  kernels->serve(text_of(config), jit::kOldestNvrtc);
  return kernels;
}

}  // namespace attnjit::runtime
