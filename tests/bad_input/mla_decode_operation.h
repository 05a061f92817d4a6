// mla_decode as the table of bad input calls it.
#pragma once

#include "attnjit/mla_decode.hpp"
#include "tests/bad_input/api.h"
#include "tests/bad_input/dl_view.h"
#include "tests/runtime/mla_decode_case.h"

namespace attnjit::bad_input {

/// A valid call until a test breaks it.
struct MlaDecodeOperation final : Operation {
  MlaDecodeConfig config = test::decode_config();
  MlaDecodeParams params = test::decode_params();
  Place place{};  // for the DLTensors: only the C API gets it

  void run(const Context& context) const override;
  attnjit_status run(const attnjit_context* context) const override;
};

/// Only asks how much workspace calls within the bounds need.
struct MlaDecodeBoundsOperation final : Operation {
  MlaDecodeBounds bounds{.batch = 3, .max_seqlen_q = 2, .num_heads = 16};

  void run(const Context& context) const override;
  attnjit_status run(const attnjit_context* context) const override;
};

}  // namespace attnjit::bad_input
