// What a GPU run vouches for: digests of the device text and of the host text that a kernel family is made of.
#pragma once

#include <string>
#include <vector>

namespace attnjit::gpu_tests {

/// Of the family's template and everything it includes, comments stripped.
std::string source_digest(const std::string& family);
/// The host files that plan and launch it: what the rows of tested_operators() say.
std::vector<std::string> host_files(const std::string& family);
/// Of those files, comments stripped, as they were when this program was built.
std::string host_digest(const std::string& family);

/// Every file of runtime/ and runtime/kernels/, root-relative.
std::vector<std::string> embedded_host_files();

}  // namespace attnjit::gpu_tests
