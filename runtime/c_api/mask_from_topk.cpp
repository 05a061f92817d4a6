// C ABI: mask_from_topk.
#include "attnjit/mask_from_topk.hpp"

#include "runtime/c_api/support.h"

// Sizes of ABI 1: see context.cpp.
static_assert(sizeof(attnjit_mask_from_topk_params) == 48 || sizeof(void*) != 8);

struct attnjit_mask_from_topk {
  attnjit::MaskFromTopk op;
  int device;  // CUDA ordinal or ContextOptions::kNoDevice
};

using namespace attnjit::c_api;

namespace {

constexpr Growth kParams{"attnjit_mask_from_topk_params", "ATTNJIT_MASK_FROM_TOPK_PARAMS_INIT",
                         sizeof(attnjit_mask_from_topk_params)};

attnjit::MaskFromTopkParams to_cpp(const attnjit_mask_from_topk_params& c, int device) {
  return {.topk_indices = view("topk_indices", c.topk_indices, device),
          .cu_seqlens_q = view("cu_seqlens_q", c.cu_seqlens_q, device),
          .seq_lens = view("seq_lens", c.seq_lens, device),
          .mask = view("mask", c.mask, device),
          .mask_tiles = view("mask_tiles", c.mask_tiles, device)};
}

}  // namespace

attnjit_status attnjit_mask_from_topk_create(const attnjit_context* context, attnjit_mask_from_topk** op) {
  return guarded([&] {
    require(op, "op (where the new handle is written)");
    *op = nullptr;
    require(context, "context");
    *op = new attnjit_mask_from_topk{attnjit::MaskFromTopk(context->context), context->context.device()};
  });
}

void attnjit_mask_from_topk_destroy(attnjit_mask_from_topk* op) { destroy(op); }

attnjit_status attnjit_mask_from_topk_run(const attnjit_mask_from_topk* op, const attnjit_mask_from_topk_params* params,
                                          attnjit_stream stream) {
  return guarded([&] {
    require(op, "op");
    const attnjit_mask_from_topk_params defaults = ATTNJIT_MASK_FROM_TOPK_PARAMS_INIT;
    op->op.run(to_cpp(read(params, defaults, kParams), op->device), stream);
  });
}
