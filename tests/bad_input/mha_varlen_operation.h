// mha_varlen as the table of bad input calls it.
#pragma once

#include "attnjit/mha_varlen.hpp"
#include "tests/bad_input/api.h"
#include "tests/bad_input/dl_view.h"
#include "tests/runtime/mha_varlen_case.h"

namespace attnjit::bad_input {

/// The config for the C API.
attnjit_mha_varlen_config c_config(const MhaVarlenConfig& config);

/// The params for the C API, with tensors at `place`.
class CAttention {
 public:
  CAttention(const MhaVarlenParams& params, const Place& place);
  CAttention(const CAttention&) = delete;
  CAttention& operator=(const CAttention&) = delete;
  const attnjit_mha_varlen_params* get() const { return &params_; }

 private:
  DlView q_, q_nope_, q_pe_, k_, k_nope_, k_pe_, v_, out_, lse_, out_scale_, cu_seqlens_q_, cu_seqlens_k_;
  attnjit_mha_varlen_params params_ = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
};

/// A valid call until a test breaks it.
struct MhaVarlenOperation final : Operation {
  MhaVarlenConfig config = test::deepseek_config();
  MhaVarlenParams params = test::deepseek_params();
  Place place{};  // for the DLTensors: only the C API gets it

  void run(const Context& context) const override;
  attnjit_status run(const attnjit_context* context) const override;
};

}  // namespace attnjit::bad_input
