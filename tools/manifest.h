// A manifest: a program's operators as a JSON file, {"operators": [{"operator": "mla_prefill", ...}, ...]}.
#pragma once

#include <filesystem>
#include <vector>

#include "operators/operator_config.h"

namespace attnjit::tools {

/// Throws attnjit::Error(kInvalidArgument) naming the file, and the operator by its index.
std::vector<runtime::OperatorConfig> read_manifest(const std::filesystem::path& path);

}  // namespace attnjit::tools
