#pragma once

#include "attnjit/masked_mha.hpp"
#include "operators/mha_varlen/fields.h"

namespace attnjit::runtime {

template <>
struct Fields<MaskedMhaParams> {
  using Cpp = MaskedMhaParams;
  using C = attnjit_masked_mha_params;
  static constexpr CStruct<C> kStruct = {"attnjit_masked_mha_params", "ATTNJIT_MASKED_MHA_PARAMS_INIT",
                                         ATTNJIT_MASKED_MHA_PARAMS_INIT, sizeof(C)};
  static constexpr auto kList =
      std::tuple(ATTNJIT_FIELD(attention), ATTNJIT_FIELD(topk_indices), ATTNJIT_FIELD(max_positions),
                 ATTNJIT_WORKSPACE_FIELD(workspace, workspace, workspace_bytes), ATTNJIT_FIELD(mask),
                 ATTNJIT_FIELD(mask_tiles), ATTNJIT_FIELD(key_offset));
};
static_assert(list_is_complete<MaskedMhaParams>());

template <>
struct Fields<MaskedMhaBounds> {
  using Cpp = MaskedMhaBounds;
  using C = attnjit_masked_mha_bounds;
  static constexpr CStruct<C> kStruct = {"attnjit_masked_mha_bounds", "ATTNJIT_MASKED_MHA_BOUNDS_INIT",
                                         ATTNJIT_MASKED_MHA_BOUNDS_INIT, sizeof(C)};
  static constexpr auto kList = std::tuple(ATTNJIT_FIELD(tokens_q), ATTNJIT_FIELD(batch), ATTNJIT_FIELD(max_positions));
};
static_assert(list_is_complete<MaskedMhaBounds>());

/// Its config's fields are those of the attention that is masked.
template <>
struct Operator<MaskedMhaConfig> {
  using Params = MaskedMhaParams;
  static constexpr std::array kNames = {"masked_mha"};
};

}  // namespace attnjit::runtime
