#pragma once

#include "attnjit/attnjit.h"
#include "attnjit/mask_from_topk.hpp"
#include "operators/fields.h"

namespace attnjit::runtime {

template <>
struct Fields<MaskFromTopkParams> {
  using Cpp = MaskFromTopkParams;
  using C = attnjit_mask_from_topk_params;
  static constexpr CStruct<C> kStruct = {"attnjit_mask_from_topk_params", "ATTNJIT_MASK_FROM_TOPK_PARAMS_INIT",
                                         ATTNJIT_MASK_FROM_TOPK_PARAMS_INIT, sizeof(C)};
  static constexpr auto kList = std::tuple(ATTNJIT_FIELD(topk_indices), ATTNJIT_FIELD(cu_seqlens_q),
                                           ATTNJIT_FIELD(seq_lens), ATTNJIT_FIELD(mask), ATTNJIT_FIELD(mask_tiles));
};
static_assert(list_is_complete<MaskFromTopkParams>());

/// Its config has no fields.
template <>
struct Operator<MaskFromTopkConfig> {
  using Params = MaskFromTopkParams;
  static constexpr std::array kNames = {"mask_from_topk"};
};

}  // namespace attnjit::runtime
