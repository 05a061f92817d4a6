#include "tests/bad_input/mha_varlen_operation.h"

namespace attnjit::bad_input {

void MhaVarlenOperation::run(const Context& context) const { MhaVarlen(context, config).run(params); }

attnjit_mha_varlen_config c_config(const MhaVarlenConfig& config) {
  attnjit_mha_varlen_config c = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
  c.head_dim_qk = config.head_dim_qk;
  c.head_dim_v = config.head_dim_v;
  c.rope_dim = config.rope_dim;
  c.causal = config.causal ? 1 : 0;
  c.dtype = static_cast<int>(config.dtype);
  c.out_dtype = config.out_dtype ? static_cast<int>(*config.out_dtype) : -1;
  return c;
}

CAttention::CAttention(const MhaVarlenParams& params, const Place& place)
    : q_(params.q, place),
      q_nope_(params.q_nope, place),
      q_pe_(params.q_pe, place),
      k_(params.k, place),
      k_nope_(params.k_nope, place),
      k_pe_(params.k_pe, place),
      v_(params.v, place),
      out_(params.out, place),
      lse_(params.lse, place),
      out_scale_(params.out_scale, place),
      cu_seqlens_q_(params.cu_seqlens_q, place),
      cu_seqlens_k_(params.cu_seqlens_k, place) {
  params_.q = q_.get();
  params_.q_nope = q_nope_.get();
  params_.q_pe = q_pe_.get();
  params_.k = k_.get();
  params_.k_nope = k_nope_.get();
  params_.k_pe = k_pe_.get();
  params_.v = v_.get();
  params_.out = out_.get();
  params_.lse = lse_.get();
  params_.out_scale = out_scale_.get();
  params_.cu_seqlens_q = cu_seqlens_q_.get();
  params_.cu_seqlens_k = cu_seqlens_k_.get();
  params_.max_seqlen_q = params.max_seqlen_q;
  params_.max_seqlen_k = params.max_seqlen_k;
  params_.softmax_scale = params.softmax_scale;
}

attnjit_status MhaVarlenOperation::run(const attnjit_context* context) const {
  const attnjit_mha_varlen_config c = c_config(config);
  attnjit_mha_varlen* op = nullptr;
  attnjit_status status = attnjit_mha_varlen_create(context, &c, &op);
  if (status != ATTNJIT_OK) return status;
  const CAttention p(params, place);
  status = attnjit_mha_varlen_run(op, p.get(), nullptr);
  attnjit_mha_varlen_destroy(op);
  return status;
}

}  // namespace attnjit::bad_input
