// masked_mha and mask_from_topk as the table of bad input calls them.
#pragma once

#include <optional>

#include "attnjit/masked_mha.hpp"
#include "tests/bad_input/api.h"
#include "tests/bad_input/dl_view.h"
#include "tests/runtime/masked_mha_case.h"

namespace attnjit::bad_input {

/// A valid call until a test breaks it.
struct MaskedMhaOperation final : Operation {
  MaskedMhaConfig config = test::masked_config();
  MaskedMhaParams params = test::masked_params();
  std::optional<MaskedMhaBounds> reserve{};  // before the call
  Place place{};                             // for the DLTensors: only the C API gets it

  void run(const Context& context) const override;
  attnjit_status run(const attnjit_context* context) const override;
};

struct MaskFromTopkOperation final : Operation {
  MaskFromTopkParams params = test::mask_from_topk_params();
  Place place{};

  void run(const Context& context) const override;
  attnjit_status run(const attnjit_context* context) const override;
};

}  // namespace attnjit::bad_input
