#include "tests/bad_input/mla_decode_operation.h"

namespace attnjit::bad_input {
namespace {

attnjit_status create(const attnjit_context* context, const MlaDecodeConfig& config, attnjit_mla_decode** op) {
  attnjit_mla_decode_config c = ATTNJIT_MLA_DECODE_CONFIG_INIT;
  c.kv_lora_rank = config.kv_lora_rank;
  c.rope_dim = config.rope_dim;
  c.dtype = static_cast<int>(config.dtype);
  c.cache_format = static_cast<int>(config.cache_format);
  c.page_size = config.page_size;
  c.causal = config.causal ? 1 : 0;
  c.out_dtype = config.out_dtype ? static_cast<int>(*config.out_dtype) : -1;
  return attnjit_mla_decode_create(context, &c, op);
}

}  // namespace

void MlaDecodeOperation::run(const Context& context) const { MlaDecode(context, config).run(params); }

attnjit_status MlaDecodeOperation::run(const attnjit_context* context) const {
  attnjit_mla_decode* op = nullptr;
  attnjit_status status = create(context, config, &op);
  if (status != ATTNJIT_OK) return status;

  const DlView q(params.q, place), q_nope(params.q_nope, place), q_pe(params.q_pe, place), cache(params.cache, place),
      latent(params.latent, place), rope(params.rope, place), cache_scale(params.cache_scale, place),
      block_table(params.block_table, place), kv_indptr(params.kv_indptr, place), kv_indices(params.kv_indices, place),
      seq_lens(params.seq_lens, place), cu_seqlens_q(params.cu_seqlens_q, place),
      total_seq_lens(params.total_seq_lens, place), out(params.out, place), lse(params.lse, place),
      out_scale(params.out_scale, place);
  attnjit_mla_decode_params p = ATTNJIT_MLA_DECODE_PARAMS_INIT;
  p.q = q.get();
  p.q_nope = q_nope.get();
  p.q_pe = q_pe.get();
  p.cache = cache.get();
  p.latent = latent.get();
  p.rope = rope.get();
  p.cache_scale = cache_scale.get();
  p.block_table = block_table.get();
  p.kv_indptr = kv_indptr.get();
  p.kv_indices = kv_indices.get();
  p.seq_lens = seq_lens.get();
  p.cu_seqlens_q = cu_seqlens_q.get();
  p.total_seq_lens = total_seq_lens.get();
  p.out = out.get();
  p.lse = lse.get();
  p.out_scale = out_scale.get();
  p.workspace = params.workspace.data;
  p.workspace_bytes = params.workspace.bytes;
  p.max_seqlen_q = params.max_seqlen_q;
  p.cp_rank = params.cp_rank;
  p.cp_world = params.cp_world;
  p.softmax_scale = params.softmax_scale;
  status = attnjit_mla_decode_run(op, &p, nullptr);
  attnjit_mla_decode_destroy(op);
  return status;
}

void MlaDecodeBoundsOperation::run(const Context& context) const {
  (void)MlaDecode(context, test::decode_config()).workspace_bytes(bounds);
}

attnjit_status MlaDecodeBoundsOperation::run(const attnjit_context* context) const {
  attnjit_mla_decode* op = nullptr;
  attnjit_status status = create(context, test::decode_config(), &op);
  if (status != ATTNJIT_OK) return status;
  std::size_t bytes = 0;
  status = attnjit_mla_decode_workspace_bytes(op, bounds.batch, bounds.max_seqlen_q, bounds.num_heads, &bytes);
  attnjit_mla_decode_destroy(op);
  return status;
}

}  // namespace attnjit::bad_input
