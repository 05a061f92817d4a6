#pragma once

#include "attnjit/attnjit.h"
#include "attnjit/merge_states.hpp"
#include "operators/fields.h"

namespace attnjit::runtime {

template <>
struct Fields<MergeStatesConfig> {
  using Cpp = MergeStatesConfig;
  using C = attnjit_merge_states_config;
  static constexpr CStruct<C> kStruct = {"attnjit_merge_states_config", "ATTNJIT_MERGE_STATES_CONFIG_INIT",
                                         ATTNJIT_MERGE_STATES_CONFIG_INIT, offsetof(C, out_dtype), sizeof(C::reserved)};
  static constexpr auto kList =
      std::tuple(ATTNJIT_REQUIRED_FIELD(head_dim), ATTNJIT_FIELD(dtype), ATTNJIT_FIELD(out_dtype));
};
static_assert(list_is_complete<MergeStatesConfig>());

template <>
struct Fields<MergeStatesParams> {
  using Cpp = MergeStatesParams;
  using C = attnjit_merge_states_params;
  static constexpr CStruct<C> kStruct = {"attnjit_merge_states_params", "ATTNJIT_MERGE_STATES_PARAMS_INIT",
                                         ATTNJIT_MERGE_STATES_PARAMS_INIT, sizeof(C)};
  static constexpr auto kList = std::tuple(ATTNJIT_FIELD(out_a), ATTNJIT_FIELD(lse_a), ATTNJIT_FIELD(out_b),
                                           ATTNJIT_FIELD(lse_b), ATTNJIT_FIELD(outs), ATTNJIT_FIELD(lses),
                                           ATTNJIT_FIELD(out), ATTNJIT_FIELD(lse), ATTNJIT_FIELD(out_scale));
};
static_assert(list_is_complete<MergeStatesParams>());

template <>
struct Operator<MergeStatesConfig> {
  using Params = MergeStatesParams;
  static constexpr std::array kNames = {"merge_states"};
};

}  // namespace attnjit::runtime
