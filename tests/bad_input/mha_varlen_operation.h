// mha_varlen as the table of bad input calls it.
#pragma once

#include "attnjit/mha_varlen.hpp"
#include "tests/bad_input/api.h"
#include "tests/runtime/mha_varlen_case.h"

namespace attnjit::bad_input {

/// A valid call until a test spoils it.
struct MhaVarlenOperation final : Operation {
  MhaVarlenConfig config = test::deepseek_config();
  MhaVarlenParams params = test::deepseek_params();
  int tensors_device = 0;  // of the DLTensors: only the C API is told

  void run(const Context& context) const override;
  attnjit_status run(const attnjit_context* context) const override;
};

}  // namespace attnjit::bad_input
