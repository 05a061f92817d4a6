// The arguments of one masked_mha call, checked: those of attention, and the keys that each query sees.
#pragma once

#include <cstddef>
#include <optional>

#include "attnjit/masked_mha.hpp"
#include "operators/mask_from_topk/call.h"
#include "operators/mha_varlen/call.h"

namespace attnjit::runtime {

struct MaskedMhaCall {
  MhaVarlenCall attention;
  std::optional<MaskFromTopkCall> build;  // builds the mask if indices are given; its memory is not set yet
};

/// Throws Error(kInvalidArgument) naming the tensor, dim and value, what is allowed and how to fix it.
MaskedMhaCall check_masked_mha(const MaskedMhaConfig& config, const MaskedMhaParams& params);

/// Bytes of the mask that `build` builds; place_mask() makes both of the call's kernels use them in `workspace`.
std::size_t mask_bytes(const MaskFromTopkCall& build);
void place_mask(MaskedMhaCall& call, void* workspace);
/// The same from upper bounds. Throws Error(kInvalidArgument) if one is negative.
std::size_t mask_bytes(const MaskedMhaBounds& bounds);

}  // namespace attnjit::runtime
