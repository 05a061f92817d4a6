// The arguments of one mha_varlen call, checked and converted for the kernel. masked_mha adds a mask to them
// (masked_mha/call.h).
#pragma once

#include <cstdint>

#include "attnjit/mha_varlen.hpp"
#include "runtime/argument_check.h"
#include "templates/shared/mha_varlen_params.h"

namespace attnjit::runtime {

/// The operator's name in errors.
inline constexpr ArgumentCheck kMhaVarlen("mha_varlen");
inline constexpr ArgumentCheck kMaskedMha("masked_mha");

struct MhaVarlenCall {
  kernel::MhaVarlenParams params;  // all but m_blocks, which depends on the kernel's tile
  const char* operator_name = "";
  int batch = 0;
  int heads = 0;
  int max_seqlen_q = 0;  // the caller's, but at most the number of tokens in its tensor
  int max_seqlen_k = 0;
  std::int64_t tokens_q = 0;
  std::int64_t tokens_k = 0;
};

/// Throws Error(kInvalidArgument) naming the tensor, dim and value, what is allowed and how to fix it.
MhaVarlenCall check_mha_varlen(const MhaVarlenConfig& config, const MhaVarlenParams& params,
                               const ArgumentCheck& check = kMhaVarlen);
/// Checks the config alone, independent of any kernel.
void check_mha_varlen_config(const MhaVarlenConfig& config, const ArgumentCheck& check = kMhaVarlen);

}  // namespace attnjit::runtime
