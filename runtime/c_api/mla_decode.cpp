// C ABI: mla_decode.
#include "attnjit/mla_decode.hpp"

#include "runtime/c_api/support.h"

// Sizes of ABI 1: see context.cpp.
static_assert(sizeof(attnjit_mla_decode_config) == 40 || sizeof(void*) != 8);
static_assert(sizeof(attnjit_mla_decode_params) == 168 || sizeof(void*) != 8);

static_assert(ATTNJIT_CACHE_SAME == static_cast<int>(attnjit::CacheFormat::kSame));
static_assert(ATTNJIT_CACHE_E4M3 == static_cast<int>(attnjit::CacheFormat::kE4M3));
static_assert(ATTNJIT_CACHE_E4M3_ROWS == static_cast<int>(attnjit::CacheFormat::kE4M3Rows));

struct attnjit_mla_decode {
  attnjit::MlaDecode op;
  int device;  // CUDA ordinal or ContextOptions::kNoDevice
};

namespace attnjit::c_api {
namespace {

constexpr Growth kMlaDecodeConfig{"attnjit_mla_decode_config", "ATTNJIT_MLA_DECODE_CONFIG_INIT",
                                  offsetof(attnjit_mla_decode_config, dtype)};
constexpr Growth kMlaDecodeParams{"attnjit_mla_decode_params", "ATTNJIT_MLA_DECODE_PARAMS_INIT",
                                  sizeof(attnjit_mla_decode_params)};

MlaDecodeConfig to_cpp(const attnjit_mla_decode_config& c) {
  MlaDecodeConfig config;
  config.kv_lora_rank = c.kv_lora_rank;
  config.rope_dim = c.rope_dim;
  config.dtype = read_dtype(c.dtype, "attnjit_mla_decode_config.dtype");
  config.cache_format = static_cast<CacheFormat>(c.cache_format);  // any other value is refused with the config
  config.page_size = c.page_size;
  config.causal = read_flag(c.causal, "attnjit_mla_decode_config.causal");
  if (c.out_dtype != -1) config.out_dtype = read_dtype(c.out_dtype, "attnjit_mla_decode_config.out_dtype");
  return config;
}

MlaDecodeParams to_cpp(const attnjit_mla_decode_params& c, int device) {
  return {.q = view("q", c.q, device),
          .q_nope = view("q_nope", c.q_nope, device),
          .q_pe = view("q_pe", c.q_pe, device),
          .cache = view("cache", c.cache, device),
          .latent = view("latent", c.latent, device),
          .rope = view("rope", c.rope, device),
          .cache_scale = view("cache_scale", c.cache_scale, device),
          .block_table = view("block_table", c.block_table, device),
          .kv_indptr = view("kv_indptr", c.kv_indptr, device),
          .kv_indices = view("kv_indices", c.kv_indices, device),
          .seq_lens = view("seq_lens", c.seq_lens, device),
          .cu_seqlens_q = view("cu_seqlens_q", c.cu_seqlens_q, device),
          .max_seqlen_q = c.max_seqlen_q,
          .out = view("out", c.out, device),
          .lse = view("lse", c.lse, device),
          .out_scale = view("out_scale", c.out_scale, device),
          .total_seq_lens = view("total_seq_lens", c.total_seq_lens, device),
          .cp_rank = c.cp_rank,
          .cp_world = c.cp_world,
          .softmax_scale = c.softmax_scale,
          .workspace = {c.workspace, c.workspace_bytes}};
}

}  // namespace
}  // namespace attnjit::c_api

using namespace attnjit::c_api;

attnjit_status attnjit_mla_decode_create(const attnjit_context* context, const attnjit_mla_decode_config* config,
                                         attnjit_mla_decode** op) {
  return guarded([&] {
    require(op, "op (where the new handle is written)");
    *op = nullptr;
    require(context, "context");
    const attnjit_mla_decode_config defaults = ATTNJIT_MLA_DECODE_CONFIG_INIT;
    const attnjit::MlaDecodeConfig cpp_config = to_cpp(read(config, defaults, kMlaDecodeConfig));
    *op = new attnjit_mla_decode{attnjit::MlaDecode(context->context, cpp_config), context->context.device()};
  });
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
  return guarded([&] {
    require(op, "op");
    op->op.release(stream);
  });
}

attnjit_status attnjit_mla_decode_run(const attnjit_mla_decode* op, const attnjit_mla_decode_params* params,
                                      attnjit_stream stream) {
  return guarded([&] {
    require(op, "op");
    const attnjit_mla_decode_params defaults = ATTNJIT_MLA_DECODE_PARAMS_INIT;
    op->op.run(to_cpp(read(params, defaults, kMlaDecodeParams), op->device), stream);
  });
}
