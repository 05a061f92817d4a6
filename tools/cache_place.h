// Where the command looks for the cache.
#pragma once

#include <filesystem>
#include <string>

namespace attnjit::tools {

/// The folder that `wanted` (of --cache) or the environment names. Throws std::runtime_error with the reason where
/// kernels would be kept in memory only: a command of its own cannot use that.
std::filesystem::path cache_directory(const std::string& wanted);

}  // namespace attnjit::tools
