// Digests of sources: of the device text that a kernel family is made of, and of the library's host text.
#pragma once

#include <string>

namespace attnjit::gpu_tests {

/// Of the family's template and everything it includes, comments stripped.
std::string source_digest(const std::string& family);
/// Of runtime/ and operators/ as they were when this program was built, comments stripped.
std::string host_digest();

}  // namespace attnjit::gpu_tests
