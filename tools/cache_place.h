// Where the command looks for the cache.
#pragma once

#include <filesystem>
#include <string>

namespace attnjit::tools {

/// The folder named by `wanted` (from --cache) or the environment. Throws std::runtime_error with the reason if kernels
/// would only be kept in memory: that is useless to a separate command.
std::filesystem::path cache_directory(const std::string& wanted);

}  // namespace attnjit::tools
