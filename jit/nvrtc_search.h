// Where a libnvrtc may be: a list of places in order of preference, made without opening any of them.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jit/nvrtc.h"

namespace attnjit::jit {

/// Every place of the search, in order. A place that has no libnvrtc has its verdict already; the others have an
/// empty one, to be written by who opens them.
std::vector<NvrtcCandidate> nvrtc_candidates(const NvrtcSearch& search);

/// 13 of ".../libnvrtc.so.13" or ".../libnvrtc.so.13.0.48"; nothing of "libnvrtc.so" or of another library.
std::optional<int> nvrtc_major(const std::filesystem::path& file);

/// The folders where the Python of this process keeps packages: told by the shared objects that are loaded from
/// them, by a loaded libpython, and by the executable if that is a Python. Only folders that exist.
std::vector<std::filesystem::path> python_package_roots(std::span<const std::string> loaded_objects,
                                                        const std::filesystem::path& executable);

/// Paths of the shared objects of this process, in load order.
std::vector<std::string> loaded_objects();

}  // namespace attnjit::jit
