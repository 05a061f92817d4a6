// A manifest: the operators of a program as a JSON file, {"operators": [{"operator": "mla_prefill", ...},
// ...]}.
#pragma once

#include <filesystem>
#include <vector>

#include "runtime/operator_config.h"

namespace attnjit::tools {

/// Throws attnjit::Error(kInvalidArgument) that names the file, and the operator by its index.
std::vector<runtime::OperatorConfig> read_manifest(const std::filesystem::path& path);

}  // namespace attnjit::tools
