// The words after --config, for every command that takes an operator.
#pragma once

#include <string>
#include <vector>

#include "operators/operator_config.h"

namespace attnjit::tools {

/// Accepts "operator=mla_prefill head_dim_qk=192" as one quoted word or as several. Throws
/// attnjit::Error(kInvalidArgument).
runtime::OperatorConfig config_from_words(const std::vector<std::string>& given);

}  // namespace attnjit::tools
