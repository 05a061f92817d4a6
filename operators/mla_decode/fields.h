#pragma once

#include <string_view>

#include "attnjit/attnjit.h"
#include "attnjit/mla_decode.hpp"
#include "operators/fields.h"

namespace attnjit::runtime {

/// By value.
inline constexpr std::array<std::string_view, 3> kCacheFormatNames = {"same", "e4m3", "e4m3_rows"};

template <>
struct Fields<MlaDecodeConfig> {
  using Cpp = MlaDecodeConfig;
  using C = attnjit_mla_decode_config;
  static constexpr CStruct<C> kStruct = {"attnjit_mla_decode_config", "ATTNJIT_MLA_DECODE_CONFIG_INIT",
                                         ATTNJIT_MLA_DECODE_CONFIG_INIT, offsetof(C, dtype), sizeof(C::reserved)};
  static constexpr auto kList = std::tuple(ATTNJIT_REQUIRED_FIELD(kv_lora_rank), ATTNJIT_REQUIRED_FIELD(rope_dim),
                                           ATTNJIT_FIELD(dtype), ATTNJIT_FIELD(cache_format), ATTNJIT_FIELD(page_size),
                                           ATTNJIT_FIELD(causal), ATTNJIT_FIELD(out_dtype));
};
static_assert(list_is_complete<MlaDecodeConfig>());

template <>
struct Fields<MlaDecodeParams> {
  using Cpp = MlaDecodeParams;
  using C = attnjit_mla_decode_params;
  static constexpr CStruct<C> kStruct = {"attnjit_mla_decode_params", "ATTNJIT_MLA_DECODE_PARAMS_INIT",
                                         ATTNJIT_MLA_DECODE_PARAMS_INIT, sizeof(C)};
  static constexpr auto kList = std::tuple(
      ATTNJIT_FIELD(q), ATTNJIT_FIELD(q_nope), ATTNJIT_FIELD(q_pe), ATTNJIT_FIELD(cache), ATTNJIT_FIELD(latent),
      ATTNJIT_FIELD(rope), ATTNJIT_FIELD(cache_scale), ATTNJIT_FIELD(block_table), ATTNJIT_FIELD(kv_indptr),
      ATTNJIT_FIELD(kv_indices), ATTNJIT_FIELD(seq_lens), ATTNJIT_FIELD(cu_seqlens_q), ATTNJIT_FIELD(max_seqlen_q),
      ATTNJIT_FIELD(out), ATTNJIT_FIELD(lse), ATTNJIT_FIELD(out_scale), ATTNJIT_FIELD(total_seq_lens),
      ATTNJIT_FIELD(cp_rank), ATTNJIT_FIELD(cp_world), ATTNJIT_FIELD(softmax_scale),
      ATTNJIT_WORKSPACE_FIELD(workspace, workspace, workspace_bytes));
};
static_assert(list_is_complete<MlaDecodeParams>());

template <>
struct Operator<MlaDecodeConfig> {
  using Params = MlaDecodeParams;
  static constexpr std::array kNames = {"mla_decode"};
};

}  // namespace attnjit::runtime
