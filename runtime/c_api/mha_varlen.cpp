// C ABI: mha_varlen.
#include "runtime/c_api/mha_varlen.h"

// Sizes of ABI 1: see context.cpp.
static_assert(sizeof(attnjit_mha_varlen_config) == 32 || sizeof(void*) != 8);
static_assert(sizeof(attnjit_mha_varlen_params) == 120 || sizeof(void*) != 8);

struct attnjit_mha_varlen {
  attnjit::MhaVarlen op;
  int device;  // CUDA ordinal or ContextOptions::kNoDevice
};

namespace attnjit::c_api {
namespace {

constexpr Growth kMhaVarlenConfig{"attnjit_mha_varlen_config", "ATTNJIT_MHA_VARLEN_CONFIG_INIT",
                                  offsetof(attnjit_mha_varlen_config, rope_dim)};
constexpr Growth kMhaVarlenParams{"attnjit_mha_varlen_params", "ATTNJIT_MHA_VARLEN_PARAMS_INIT",
                                  sizeof(attnjit_mha_varlen_params)};

}  // namespace

MhaVarlenConfig read_config(const attnjit_mha_varlen_config* given) {
  const attnjit_mha_varlen_config defaults = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
  const attnjit_mha_varlen_config c = read(given, defaults, kMhaVarlenConfig);
  MhaVarlenConfig config;
  config.head_dim_qk = c.head_dim_qk;
  config.head_dim_v = c.head_dim_v;
  config.rope_dim = c.rope_dim;
  config.causal = read_flag(c.causal, "attnjit_mha_varlen_config.causal");
  config.dtype = read_dtype(c.dtype, "attnjit_mha_varlen_config.dtype");
  if (c.out_dtype != -1) config.out_dtype = read_dtype(c.out_dtype, "attnjit_mha_varlen_config.out_dtype");
  return config;
}

MhaVarlenParams read_params(const attnjit_mha_varlen_params* given, int device) {
  const attnjit_mha_varlen_params defaults = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
  const attnjit_mha_varlen_params c = read(given, defaults, kMhaVarlenParams);
  return {.q = view("q", c.q, device),
          .q_nope = view("q_nope", c.q_nope, device),
          .q_pe = view("q_pe", c.q_pe, device),
          .k = view("k", c.k, device),
          .k_nope = view("k_nope", c.k_nope, device),
          .k_pe = view("k_pe", c.k_pe, device),
          .v = view("v", c.v, device),
          .out = view("out", c.out, device),
          .lse = view("lse", c.lse, device),
          .out_scale = view("out_scale", c.out_scale, device),
          .cu_seqlens_q = view("cu_seqlens_q", c.cu_seqlens_q, device),
          .cu_seqlens_k = view("cu_seqlens_k", c.cu_seqlens_k, device),
          .max_seqlen_q = c.max_seqlen_q,
          .max_seqlen_k = c.max_seqlen_k,
          .softmax_scale = c.softmax_scale};
}

}  // namespace attnjit::c_api

using namespace attnjit::c_api;

attnjit_status attnjit_mha_varlen_create(const attnjit_context* context, const attnjit_mha_varlen_config* config,
                                         attnjit_mha_varlen** op) {
  return guarded([&] {
    require(op, "op (where the new handle is written)");
    *op = nullptr;
    require(context, "context");
    const attnjit::MhaVarlenConfig cpp_config = read_config(config);
    *op = new attnjit_mha_varlen{attnjit::MhaVarlen(context->context, cpp_config), context->context.device()};
  });
}

void attnjit_mha_varlen_destroy(attnjit_mha_varlen* op) { destroy(op); }

attnjit_status attnjit_mha_varlen_run(const attnjit_mha_varlen* op, const attnjit_mha_varlen_params* params,
                                      attnjit_stream stream) {
  return guarded([&] {
    require(op, "op");
    op->op.run(read_params(params, op->device), stream);
  });
}
