// C ABI: masked_mha.
#include "attnjit/masked_mha.hpp"

#include "runtime/c_api/mha_varlen.h"

// Sizes of ABI 1: see context.cpp.
static_assert(sizeof(attnjit_masked_mha_params) == 72 || sizeof(void*) != 8);
static_assert(sizeof(attnjit_masked_mha_bounds) == 32 || sizeof(void*) != 8);

struct attnjit_masked_mha {
  attnjit::MaskedMha op;
  int device;  // CUDA ordinal or ContextOptions::kNoDevice
};

using namespace attnjit::c_api;

namespace {

constexpr Growth kParams{"attnjit_masked_mha_params", "ATTNJIT_MASKED_MHA_PARAMS_INIT",
                         sizeof(attnjit_masked_mha_params)};
constexpr Growth kBounds{"attnjit_masked_mha_bounds", "ATTNJIT_MASKED_MHA_BOUNDS_INIT",
                         sizeof(attnjit_masked_mha_bounds)};

attnjit::MaskedMhaParams to_cpp(const attnjit_masked_mha_params& c, int device) {
  return {.attention = read_params(c.attention, device),
          .topk_indices = view("topk_indices", c.topk_indices, device),
          .max_positions = c.max_positions,
          .workspace = {c.workspace, c.workspace_bytes},
          .mask = view("mask", c.mask, device),
          .mask_tiles = view("mask_tiles", c.mask_tiles, device),
          .key_offset = view("key_offset", c.key_offset, device)};
}

attnjit::MaskedMhaBounds read_bounds(const attnjit_masked_mha_bounds* given) {
  const attnjit_masked_mha_bounds defaults = ATTNJIT_MASKED_MHA_BOUNDS_INIT;
  const attnjit_masked_mha_bounds c = read(given, defaults, kBounds);
  return {.tokens_q = c.tokens_q, .batch = c.batch, .max_positions = c.max_positions};
}

}  // namespace

attnjit_status attnjit_masked_mha_create(const attnjit_context* context, const attnjit_mha_varlen_config* config,
                                         attnjit_masked_mha** op) {
  return guarded([&] {
    require(op, "op (where the new handle is written)");
    *op = nullptr;
    require(context, "context");
    const attnjit::MaskedMhaConfig cpp_config{read_config(config)};
    *op = new attnjit_masked_mha{attnjit::MaskedMha(context->context, cpp_config), context->context.device()};
  });
}

void attnjit_masked_mha_destroy(attnjit_masked_mha* op) { destroy(op); }

attnjit_status attnjit_masked_mha_run(const attnjit_masked_mha* op, const attnjit_masked_mha_params* params,
                                      attnjit_stream stream) {
  return guarded([&] {
    require(op, "op");
    const attnjit_masked_mha_params defaults = ATTNJIT_MASKED_MHA_PARAMS_INIT;
    op->op.run(to_cpp(read(params, defaults, kParams), op->device), stream);
  });
}

attnjit_status attnjit_masked_mha_workspace_bytes(const attnjit_masked_mha_bounds* bounds, size_t* bytes) {
  return guarded([&] {
    require(bytes, "bytes (where the size is written)");
    *bytes = attnjit::MaskedMha::workspace_bytes(read_bounds(bounds));
  });
}

attnjit_status attnjit_masked_mha_reserve(const attnjit_masked_mha* op, attnjit_stream stream,
                                          const attnjit_masked_mha_bounds* bounds) {
  return guarded([&] {
    require(op, "op");
    op->op.reserve(stream, read_bounds(bounds));
  });
}

attnjit_status attnjit_masked_mha_release(const attnjit_masked_mha* op, attnjit_stream stream) {
  return guarded([&] {
    require(op, "op");
    op->op.release(stream);
  });
}
