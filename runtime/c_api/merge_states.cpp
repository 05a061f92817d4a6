// C ABI: merge_states.
#include "attnjit/merge_states.hpp"

#include "runtime/c_api/support.h"

// Sizes of ABI 1: see context.cpp.
static_assert(sizeof(attnjit_merge_states_config) == 24 || sizeof(void*) != 8);
static_assert(sizeof(attnjit_merge_states_params) == 80 || sizeof(void*) != 8);

struct attnjit_merge_states {
  attnjit::MergeStates op;
  int device;  // CUDA ordinal or ContextOptions::kNoDevice
};

namespace attnjit::c_api {
namespace {

constexpr Growth kMergeStatesConfig{"attnjit_merge_states_config", "ATTNJIT_MERGE_STATES_CONFIG_INIT",
                                    offsetof(attnjit_merge_states_config, out_dtype)};
constexpr Growth kMergeStatesParams{"attnjit_merge_states_params", "ATTNJIT_MERGE_STATES_PARAMS_INIT",
                                    sizeof(attnjit_merge_states_params)};

MergeStatesConfig to_cpp(const attnjit_merge_states_config& c) {
  MergeStatesConfig config;
  config.head_dim = c.head_dim;
  config.dtype = read_dtype(c.dtype, "attnjit_merge_states_config.dtype");
  if (c.out_dtype != -1) config.out_dtype = read_dtype(c.out_dtype, "attnjit_merge_states_config.out_dtype");
  return config;
}

MergeStatesParams to_cpp(const attnjit_merge_states_params& c, int device) {
  return {.out_a = view("out_a", c.out_a, device),
          .lse_a = view("lse_a", c.lse_a, device),
          .out_b = view("out_b", c.out_b, device),
          .lse_b = view("lse_b", c.lse_b, device),
          .outs = view("outs", c.outs, device),
          .lses = view("lses", c.lses, device),
          .out = view("out", c.out, device),
          .lse = view("lse", c.lse, device),
          .out_scale = view("out_scale", c.out_scale, device)};
}

}  // namespace
}  // namespace attnjit::c_api

using namespace attnjit::c_api;

attnjit_status attnjit_merge_states_create(const attnjit_context* context, const attnjit_merge_states_config* config,
                                           attnjit_merge_states** op) {
  return guarded([&] {
    require(op, "op (where the new handle is written)");
    *op = nullptr;
    require(context, "context");
    const attnjit_merge_states_config defaults = ATTNJIT_MERGE_STATES_CONFIG_INIT;
    const attnjit::MergeStatesConfig cpp_config = to_cpp(read(config, defaults, kMergeStatesConfig));
    *op = new attnjit_merge_states{attnjit::MergeStates(context->context, cpp_config), context->context.device()};
  });
}

void attnjit_merge_states_destroy(attnjit_merge_states* op) { destroy(op); }

attnjit_status attnjit_merge_states_run(const attnjit_merge_states* op, const attnjit_merge_states_params* params,
                                        attnjit_stream stream) {
  return guarded([&] {
    require(op, "op");
    const attnjit_merge_states_params defaults = ATTNJIT_MERGE_STATES_PARAMS_INIT;
    op->op.run(to_cpp(read(params, defaults, kMergeStatesParams), op->device), stream);
  });
}
