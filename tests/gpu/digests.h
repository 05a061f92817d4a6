// What a GPU run vouches for: digests of the device text and of the host text that a kernel family is made of.
#pragma once

#include <string>

namespace attnjit::gpu_tests {

/// Of the family's template and everything it includes, comments stripped.
std::string source_digest(const std::string& family);
/// Of the host files that plan and launch it, comments stripped, as they were when this program was built.
std::string host_digest(const std::string& family);

}  // namespace attnjit::gpu_tests
