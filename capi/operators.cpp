// C ABI: the operators. Conversion of their structs is generated from operators/<operator>/fields.h.
#include "attnjit/attnjit.hpp"
#include "capi/convert.h"
#include "operators/mask_from_topk/fields.h"
#include "operators/masked_mha/fields.h"
#include "operators/merge_states/fields.h"
#include "operators/mha_varlen/fields.h"
#include "operators/mla_decode/fields.h"

// Sizes of ABI 1: see context.cpp.
static_assert(sizeof(void*) != 8 ||
              (sizeof(attnjit_mha_varlen_config) == 32 && sizeof(attnjit_mha_varlen_params) == 120 &&
               sizeof(attnjit_mla_decode_config) == 40 && sizeof(attnjit_mla_decode_params) == 168 &&
               sizeof(attnjit_mask_from_topk_params) == 48 && sizeof(attnjit_masked_mha_params) == 72 &&
               sizeof(attnjit_masked_mha_bounds) == 32 && sizeof(attnjit_merge_states_config) == 24 &&
               sizeof(attnjit_merge_states_params) == 80));

static_assert(ATTNJIT_CACHE_SAME == static_cast<int>(attnjit::CacheFormat::kSame));
static_assert(ATTNJIT_CACHE_E4M3 == static_cast<int>(attnjit::CacheFormat::kE4M3));
static_assert(ATTNJIT_CACHE_E4M3_ROWS == static_cast<int>(attnjit::CacheFormat::kE4M3Rows));

// `device` is a CUDA ordinal or ContextOptions::kNoDevice.
struct attnjit_mha_varlen {
  attnjit::MhaVarlen op;
  int device;
};
struct attnjit_mla_decode {
  attnjit::MlaDecode op;
  int device;
};
struct attnjit_mask_from_topk {
  attnjit::MaskFromTopk op;
  int device;
};
struct attnjit_masked_mha {
  attnjit::MaskedMha op;
  int device;
};
struct attnjit_merge_states {
  attnjit::MergeStates op;
  int device;
};

namespace attnjit::c_api {
namespace {

/// `config` makes the operator's config, after the handles were looked at.
template <class Handle, class MakeConfig>
attnjit_status create(const attnjit_context* context, Handle** op, const MakeConfig& config) {
  return guarded([&] {
    require(op, "op (where the new handle is written)");
    *op = nullptr;
    require(context, "context");
    *op = new Handle{decltype(Handle::op)(context->context, config()), context->context.device()};
  });
}

template <class Params, class Handle>
attnjit_status run(const Handle* op, const typename runtime::Fields<Params>::C* params, attnjit_stream stream) {
  return guarded([&] {
    require(op, "op");
    op->op.run(from_c<Params>(params, op->device), stream);
  });
}

template <class Handle>
attnjit_status release(const Handle* op, attnjit_stream stream) {
  return guarded([&] {
    require(op, "op");
    op->op.release(stream);
  });
}

}  // namespace
}  // namespace attnjit::c_api

using namespace attnjit;
using namespace attnjit::c_api;

// ---- mha_varlen

attnjit_status attnjit_mha_varlen_create(const attnjit_context* context, const attnjit_mha_varlen_config* config,
                                         attnjit_mha_varlen** op) {
  return create(context, op, [&] { return from_c<MhaVarlenConfig>(config); });
}

void attnjit_mha_varlen_destroy(attnjit_mha_varlen* op) { destroy(op); }

attnjit_status attnjit_mha_varlen_run(const attnjit_mha_varlen* op, const attnjit_mha_varlen_params* params,
                                      attnjit_stream stream) {
  return run<MhaVarlenParams>(op, params, stream);
}

// ---- mla_decode

attnjit_status attnjit_mla_decode_create(const attnjit_context* context, const attnjit_mla_decode_config* config,
                                         attnjit_mla_decode** op) {
  return create(context, op, [&] { return from_c<MlaDecodeConfig>(config); });
}

void attnjit_mla_decode_destroy(attnjit_mla_decode* op) { destroy(op); }

attnjit_status attnjit_mla_decode_workspace_bytes(const attnjit_mla_decode* op, int32_t batch, int32_t max_seqlen_q,
                                                  int32_t num_heads, size_t* bytes) {
  return guarded([&] {
    require(bytes, "bytes (where the size is written)");
    *bytes = 0;
    require(op, "op");
    *bytes = op->op.workspace_bytes({batch, max_seqlen_q, num_heads});
  });
}

attnjit_status attnjit_mla_decode_reserve(const attnjit_mla_decode* op, attnjit_stream stream, int32_t batch,
                                          int32_t max_seqlen_q, int32_t num_heads) {
  return guarded([&] {
    require(op, "op");
    op->op.reserve(stream, {batch, max_seqlen_q, num_heads});
  });
}

attnjit_status attnjit_mla_decode_release(const attnjit_mla_decode* op, attnjit_stream stream) {
  return release(op, stream);
}

attnjit_status attnjit_mla_decode_run(const attnjit_mla_decode* op, const attnjit_mla_decode_params* params,
                                      attnjit_stream stream) {
  return run<MlaDecodeParams>(op, params, stream);
}

// ---- mask_from_topk

attnjit_status attnjit_mask_from_topk_create(const attnjit_context* context, attnjit_mask_from_topk** op) {
  return create(context, op, [] { return MaskFromTopkConfig{}; });
}

void attnjit_mask_from_topk_destroy(attnjit_mask_from_topk* op) { destroy(op); }

attnjit_status attnjit_mask_from_topk_run(const attnjit_mask_from_topk* op, const attnjit_mask_from_topk_params* params,
                                          attnjit_stream stream) {
  return run<MaskFromTopkParams>(op, params, stream);
}

// ---- masked_mha

attnjit_status attnjit_masked_mha_create(const attnjit_context* context, const attnjit_mha_varlen_config* config,
                                         attnjit_masked_mha** op) {
  return create(context, op, [&] { return MaskedMhaConfig{from_c<MhaVarlenConfig>(config)}; });
}

void attnjit_masked_mha_destroy(attnjit_masked_mha* op) { destroy(op); }

attnjit_status attnjit_masked_mha_run(const attnjit_masked_mha* op, const attnjit_masked_mha_params* params,
                                      attnjit_stream stream) {
  return run<MaskedMhaParams>(op, params, stream);
}

attnjit_status attnjit_masked_mha_workspace_bytes(const attnjit_masked_mha_bounds* bounds, size_t* bytes) {
  return guarded([&] {
    require(bytes, "bytes (where the size is written)");
    *bytes = MaskedMha::workspace_bytes(from_c<MaskedMhaBounds>(bounds));
  });
}

attnjit_status attnjit_masked_mha_reserve(const attnjit_masked_mha* op, attnjit_stream stream,
                                          const attnjit_masked_mha_bounds* bounds) {
  return guarded([&] {
    require(op, "op");
    op->op.reserve(stream, from_c<MaskedMhaBounds>(bounds));
  });
}

attnjit_status attnjit_masked_mha_release(const attnjit_masked_mha* op, attnjit_stream stream) {
  return release(op, stream);
}

// ---- merge_states

attnjit_status attnjit_merge_states_create(const attnjit_context* context, const attnjit_merge_states_config* config,
                                           attnjit_merge_states** op) {
  return create(context, op, [&] { return from_c<MergeStatesConfig>(config); });
}

void attnjit_merge_states_destroy(attnjit_merge_states* op) { destroy(op); }

attnjit_status attnjit_merge_states_run(const attnjit_merge_states* op, const attnjit_merge_states_params* params,
                                        attnjit_stream stream) {
  return run<MergeStatesParams>(op, params, stream);
}
