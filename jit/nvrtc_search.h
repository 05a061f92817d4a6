// Where a libnvrtc may be: a list of places in order of preference, built without opening any of them.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jit/nvrtc.h"

namespace attnjit::jit {

/// Every place of the search, in order. Places without a libnvrtc already have a verdict; whoever opens the others
/// fills theirs in.
std::vector<NvrtcCandidate> nvrtc_candidates(const NvrtcSearch& search);

/// 13 for ".../libnvrtc.so.13" or ".../libnvrtc.so.13.0.48"; nothing for "libnvrtc.so" or another library.
std::optional<int> nvrtc_major(const std::filesystem::path& file);

/// The package folders of this process's Python, derived from the shared objects loaded from them, from a loaded
/// libpython, and from the executable if it is a Python. Only folders that exist.
std::vector<std::filesystem::path> python_package_roots(std::span<const std::string> loaded_objects,
                                                        const std::filesystem::path& executable);

/// Paths of the shared objects of this process, in load order.
std::vector<std::string> loaded_objects();

}  // namespace attnjit::jit
