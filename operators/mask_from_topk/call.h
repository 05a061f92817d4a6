// The arguments of one mask_from_topk call, checked and converted for the kernel.
#pragma once

#include <cstdint>

#include "attnjit/mask_from_topk.hpp"
#include "runtime/argument_check.h"
#include "templates/shared/mask_params.h"

namespace attnjit::runtime {

inline constexpr ArgumentCheck kMaskFromTopk("mask_from_topk");

struct MaskFromTopkCall {
  kernel::MaskFromTopkParams params;  // all but parts and chunk_words, which the kernel chooses
  std::int64_t tokens = 0;            // Tq
  std::int64_t tile_rows = 0;
};

/// Throws Error(kInvalidArgument) naming the tensor, dim and value, what is allowed and how to fix it.
MaskFromTopkCall check_mask_from_topk(const MaskFromTopkParams& params);

/// Checks the indices a mask is built from, and derives sizes from them, for any operator.
MaskFromTopkCall check_topk_indices(const ArgumentCheck& check, const Tensor& indices, std::int64_t tokens,
                                    const Tensor& cu_seqlens_q);
/// Checks a mask and its tile list for `tokens` queries in `batch` sequences.
kernel::KeyMask<kernel::u32> check_key_mask(const ArgumentCheck& check, const Tensor& mask, const Tensor& tiles,
                                            std::int64_t tokens, std::int64_t batch, Access access);

}  // namespace attnjit::runtime
