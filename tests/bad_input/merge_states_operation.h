// merge_states as the table of bad input calls it.
#pragma once

#include "attnjit/merge_states.hpp"
#include "tests/bad_input/api.h"
#include "tests/bad_input/dl_view.h"
#include "tests/runtime/merge_states_case.h"

namespace attnjit::bad_input {

/// A valid call until a test breaks it.
struct MergeStatesOperation final : Operation {
  MergeStatesConfig config = test::merge_config();
  MergeStatesParams params = test::two_states();
  Place place{};  // for the DLTensors: only the C API gets it

  void run(const Context& context) const override;
  attnjit_status run(const attnjit_context* context) const override;
};

}  // namespace attnjit::bad_input
