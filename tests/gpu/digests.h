// Digests of sources: the device source of a kernel family, and the library's host source.
#pragma once

#include <string>

namespace attnjit::gpu_tests {

/// Over the family's template and everything it includes, without comments.
std::string source_digest(const std::string& family);
/// Over runtime/ and operators/ as they were when this program was built, without comments.
std::string host_digest();

}  // namespace attnjit::gpu_tests
