// The arguments of one mla_decode call, checked and converted for the kernels.
#pragma once

#include "attnjit/mla_decode.hpp"
#include "runtime/argument_check.h"
#include "templates/shared/mla_decode_params.h"

namespace attnjit::runtime {

inline constexpr ArgumentCheck kMlaDecodeCheck("mla_decode");

struct MlaDecodeCall {
  kernel::MlaDecodeParams params;  // all but the workspace and what depends on the kernel's tile

  /// Rows of the longest sequence's tile: queries times heads.
  int rows() const { return params.max_seqlen_q * params.num_heads; }
};

/// Throws Error(kInvalidArgument) naming the tensor, dim and value, what is allowed and how to fix it.
MlaDecodeCall check_mla_decode(const MlaDecodeConfig& config, const MlaDecodeParams& params);
/// Checks the config alone, independent of any kernel.
void check_mla_decode_config(const MlaDecodeConfig& config);
void check_mla_decode_bounds(const MlaDecodeBounds& bounds);

}  // namespace attnjit::runtime
