// The arguments of one masked_mha call, checked: those of attention, and which keys the queries see.
#pragma once

#include <cstddef>
#include <optional>

#include "attnjit/masked_mha.hpp"
#include "runtime/mask_from_topk_call.h"
#include "runtime/mha_varlen_call.h"

namespace attnjit::runtime {

struct MaskedMhaCall {
  MhaVarlenCall attention;
  std::optional<MaskFromTopkCall> build;  // of the mask, where indices are given; its memory is still to be set
};

/// Throws Error(kInvalidArgument) that names tensor, dim and value, what is allowed and what to do.
MaskedMhaCall check_masked_mha(const MaskedMhaConfig& config, const MaskedMhaParams& params);

/// Bytes that the mask of a call takes which has `build`, and lets both of its kernels use them.
std::size_t mask_bytes(const MaskFromTopkCall& build);
void place_mask(MaskedMhaCall& call, void* workspace);
/// For the same from upper bounds. Throws Error(kInvalidArgument) for negative ones.
std::size_t mask_bytes(const MaskedMhaBounds& bounds);

}  // namespace attnjit::runtime
