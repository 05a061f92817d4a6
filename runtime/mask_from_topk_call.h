// The arguments of one mask_from_topk call, checked and put in the form that the kernel takes.
#pragma once

#include <cstdint>

#include "attnjit/mask_from_topk.hpp"
#include "runtime/argument_check.h"
#include "templates/shared/mask_params.h"

namespace attnjit::runtime {

inline constexpr ArgumentCheck kMaskFromTopk("mask_from_topk");

struct MaskFromTopkCall {
  kernel::MaskFromTopkParams params;  // all but parts and chunk_words, which are the kernel's choice
  std::int64_t tokens = 0;            // Tq
  std::int64_t tile_rows = 0;
};

/// Throws Error(kInvalidArgument) that names tensor, dim and value, what is allowed and what to do.
MaskFromTopkCall check_mask_from_topk(const MaskFromTopkParams& params);

/// Indices as a mask's builder takes them, and the sizes that they define; checked for any operator.
MaskFromTopkCall check_topk_indices(const ArgumentCheck& check, const Tensor& indices, std::int64_t tokens,
                                    const Tensor& cu_seqlens_q);
/// A mask with its tiles, of `tokens` queries in `batch` sequences.
kernel::KeyMask<kernel::u32> check_key_mask(const ArgumentCheck& check, const Tensor& mask, const Tensor& tiles,
                                            std::int64_t tokens, std::int64_t batch, Access access);

}  // namespace attnjit::runtime
