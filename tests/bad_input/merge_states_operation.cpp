#include "tests/bad_input/merge_states_operation.h"

namespace attnjit::bad_input {

void MergeStatesOperation::run(const Context& context) const { MergeStates(context, config).run(params); }

attnjit_status MergeStatesOperation::run(const attnjit_context* context) const {
  attnjit_merge_states_config c = ATTNJIT_MERGE_STATES_CONFIG_INIT;
  c.head_dim = config.head_dim;
  c.dtype = static_cast<int>(config.dtype);
  c.out_dtype = config.out_dtype ? static_cast<int>(*config.out_dtype) : -1;
  attnjit_merge_states* op = nullptr;
  attnjit_status status = attnjit_merge_states_create(context, &c, &op);
  if (status != ATTNJIT_OK) return status;

  const DlView out_a(params.out_a, place), lse_a(params.lse_a, place), out_b(params.out_b, place),
      lse_b(params.lse_b, place), outs(params.outs, place), lses(params.lses, place), out(params.out, place),
      lse(params.lse, place), out_scale(params.out_scale, place);
  attnjit_merge_states_params p = ATTNJIT_MERGE_STATES_PARAMS_INIT;
  p.out_a = out_a.get();
  p.lse_a = lse_a.get();
  p.out_b = out_b.get();
  p.lse_b = lse_b.get();
  p.outs = outs.get();
  p.lses = lses.get();
  p.out = out.get();
  p.lse = lse.get();
  p.out_scale = out_scale.get();
  status = attnjit_merge_states_run(op, &p, nullptr);
  attnjit_merge_states_destroy(op);
  return status;
}

}  // namespace attnjit::bad_input
