// The words behind --config, for every command that takes an operator.
#pragma once

#include <string>
#include <vector>

#include "runtime/operator_config.h"

namespace attnjit::tools {

/// "operator=mla_prefill head_dim_qk=192" may come as one word, quoted, or as several. Throws
/// attnjit::Error(kInvalidArgument).
runtime::OperatorConfig config_from_words(const std::vector<std::string>& given);

}  // namespace attnjit::tools
