// The arguments of one mla_decode call, checked and put in the form that kernels take.
#pragma once

#include "attnjit/mla_decode.hpp"
#include "runtime/argument_check.h"
#include "templates/shared/mla_decode_params.h"

namespace attnjit::runtime {

inline constexpr ArgumentCheck kMlaDecodeCheck("mla_decode");

struct MlaDecodeCall {
  kernel::MlaDecodeParams params;  // all but what depends on the kernel's tile, and the workspace

  /// Rows of the longest sequence's tile: its queries times their heads.
  int rows() const { return params.max_seqlen_q * params.num_heads; }
};

/// Throws Error(kInvalidArgument) that names tensor, dim and value, what is allowed and what to do.
MlaDecodeCall check_mla_decode(const MlaDecodeConfig& config, const MlaDecodeParams& params);
/// The same for the config alone, independent of any kernel.
void check_mla_decode_config(const MlaDecodeConfig& config);
void check_mla_decode_bounds(const MlaDecodeBounds& bounds);

}  // namespace attnjit::runtime
