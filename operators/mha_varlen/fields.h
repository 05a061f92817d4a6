#pragma once

#include "attnjit/attnjit.h"
#include "attnjit/mha_varlen.hpp"
#include "operators/fields.h"

namespace attnjit::runtime {

template <>
struct Fields<MhaVarlenConfig> {
  using Cpp = MhaVarlenConfig;
  using C = attnjit_mha_varlen_config;
  static constexpr CStruct<C> kStruct = {"attnjit_mha_varlen_config", "ATTNJIT_MHA_VARLEN_CONFIG_INIT",
                                         ATTNJIT_MHA_VARLEN_CONFIG_INIT, offsetof(C, rope_dim)};
  static constexpr auto kList =
      std::tuple(ATTNJIT_REQUIRED_FIELD(head_dim_qk), ATTNJIT_REQUIRED_FIELD(head_dim_v), ATTNJIT_FIELD(rope_dim),
                 ATTNJIT_FIELD(dtype), ATTNJIT_FIELD(causal), ATTNJIT_FIELD(out_dtype));
};
static_assert(list_is_complete<MhaVarlenConfig>());

template <>
struct Fields<MhaVarlenParams> {
  using Cpp = MhaVarlenParams;
  using C = attnjit_mha_varlen_params;
  static constexpr CStruct<C> kStruct = {"attnjit_mha_varlen_params", "ATTNJIT_MHA_VARLEN_PARAMS_INIT",
                                         ATTNJIT_MHA_VARLEN_PARAMS_INIT, sizeof(C), sizeof(C::reserved)};
  static constexpr auto kList =
      std::tuple(ATTNJIT_FIELD(q), ATTNJIT_FIELD(q_nope), ATTNJIT_FIELD(q_pe), ATTNJIT_FIELD(k), ATTNJIT_FIELD(k_nope),
                 ATTNJIT_FIELD(k_pe), ATTNJIT_FIELD(v), ATTNJIT_FIELD(out), ATTNJIT_FIELD(lse),
                 ATTNJIT_FIELD(out_scale), ATTNJIT_FIELD(cu_seqlens_q), ATTNJIT_FIELD(cu_seqlens_k),
                 ATTNJIT_FIELD(max_seqlen_q), ATTNJIT_FIELD(max_seqlen_k), ATTNJIT_FIELD(softmax_scale));
};
static_assert(list_is_complete<MhaVarlenParams>());

template <>
struct Operator<MhaVarlenConfig> {
  using Params = MhaVarlenParams;
  static constexpr std::array kNames = {"mla_prefill", "mha_varlen"};
};

}  // namespace attnjit::runtime
