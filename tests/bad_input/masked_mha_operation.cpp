#include "tests/bad_input/masked_mha_operation.h"

#include "tests/bad_input/mha_varlen_operation.h"

namespace attnjit::bad_input {

void MaskedMhaOperation::run(const Context& context) const {
  const MaskedMha op(context, config);
  if (reserve) op.reserve(nullptr, *reserve);
  op.run(params);
}

attnjit_status MaskedMhaOperation::run(const attnjit_context* context) const {
  const attnjit_mha_varlen_config c = c_config(config.attention);
  attnjit_masked_mha* op = nullptr;
  attnjit_status status = attnjit_masked_mha_create(context, &c, &op);
  if (status != ATTNJIT_OK) return status;

  const CAttention attention(params.attention, place);
  const DlView indices(params.topk_indices, place), mask(params.mask, place), tiles(params.mask_tiles, place),
      offset(params.key_offset, place);
  attnjit_masked_mha_params p = ATTNJIT_MASKED_MHA_PARAMS_INIT;
  p.attention = attention.get();
  p.topk_indices = indices.get();
  p.mask = mask.get();
  p.mask_tiles = tiles.get();
  p.key_offset = offset.get();
  p.max_positions = params.max_positions;
  p.workspace = params.workspace.data;
  p.workspace_bytes = params.workspace.bytes;
  if (reserve) {
    attnjit_masked_mha_bounds bounds = ATTNJIT_MASKED_MHA_BOUNDS_INIT;
    bounds.tokens_q = reserve->tokens_q;
    bounds.batch = reserve->batch;
    bounds.max_positions = reserve->max_positions;
    status = attnjit_masked_mha_reserve(op, nullptr, &bounds);
  }
  if (status == ATTNJIT_OK) status = attnjit_masked_mha_run(op, &p, nullptr);
  attnjit_masked_mha_destroy(op);
  return status;
}

void MaskFromTopkOperation::run(const Context& context) const { MaskFromTopk(context).run(params); }

attnjit_status MaskFromTopkOperation::run(const attnjit_context* context) const {
  attnjit_mask_from_topk* op = nullptr;
  attnjit_status status = attnjit_mask_from_topk_create(context, &op);
  if (status != ATTNJIT_OK) return status;
  const DlView indices(params.topk_indices, place), cu_seqlens_q(params.cu_seqlens_q, place),
      seq_lens(params.seq_lens, place), mask(params.mask, place), tiles(params.mask_tiles, place);
  attnjit_mask_from_topk_params p = ATTNJIT_MASK_FROM_TOPK_PARAMS_INIT;
  p.topk_indices = indices.get();
  p.cu_seqlens_q = cu_seqlens_q.get();
  p.seq_lens = seq_lens.get();
  p.mask = mask.get();
  p.mask_tiles = tiles.get();
  status = attnjit_mask_from_topk_run(op, &p, nullptr);
  attnjit_mask_from_topk_destroy(op);
  return status;
}

}  // namespace attnjit::bad_input
