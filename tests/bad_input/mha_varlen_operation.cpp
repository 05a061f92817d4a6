#include "tests/bad_input/mha_varlen_operation.h"

#include "tests/bad_input/dl_view.h"

namespace attnjit::bad_input {

void MhaVarlenOperation::run(const Context& context) const { MhaVarlen(context, config).run(params); }

attnjit_status MhaVarlenOperation::run(const attnjit_context* context) const {
  attnjit_mha_varlen_config c = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
  c.head_dim_qk = config.head_dim_qk;
  c.head_dim_v = config.head_dim_v;
  c.rope_dim = config.rope_dim;
  c.causal = config.causal ? 1 : 0;
  c.dtype = static_cast<int>(config.dtype);
  c.out_dtype = config.out_dtype ? static_cast<int>(*config.out_dtype) : -1;
  attnjit_mha_varlen* op = nullptr;
  attnjit_status status = attnjit_mha_varlen_create(context, &c, &op);
  if (status != ATTNJIT_OK) return status;

  const auto view = [&](const Tensor& tensor) { return DlView(tensor, tensors_device); };
  const DlView q = view(params.q), q_nope = view(params.q_nope), q_pe = view(params.q_pe), k = view(params.k),
               k_nope = view(params.k_nope), k_pe = view(params.k_pe), v = view(params.v), out = view(params.out),
               lse = view(params.lse), out_scale = view(params.out_scale), cu_seqlens_q = view(params.cu_seqlens_q),
               cu_seqlens_k = view(params.cu_seqlens_k);
  attnjit_mha_varlen_params p = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
  p.q = q.get();
  p.q_nope = q_nope.get();
  p.q_pe = q_pe.get();
  p.k = k.get();
  p.k_nope = k_nope.get();
  p.k_pe = k_pe.get();
  p.v = v.get();
  p.out = out.get();
  p.lse = lse.get();
  p.out_scale = out_scale.get();
  p.cu_seqlens_q = cu_seqlens_q.get();
  p.cu_seqlens_k = cu_seqlens_k.get();
  p.max_seqlen_q = params.max_seqlen_q;
  p.max_seqlen_k = params.max_seqlen_k;
  p.softmax_scale = params.softmax_scale;
  status = attnjit_mha_varlen_run(op, &p, nullptr);
  attnjit_mha_varlen_destroy(op);
  return status;
}

}  // namespace attnjit::bad_input
