// Where tests keep kernels that they need and do not test the compiling of: one store for all programs, build folders
// and sanitizers, so that each kernel is compiled once. What a test says of caching, it says of a folder of its own.
#pragma once

#include <filesystem>
#include <string>

namespace attnjit::test {

/// A folder for ContextOptions::cache_path.
inline std::string kept_kernels() {
  namespace fs = std::filesystem;
  const fs::path folder = ATTNJIT_TEST_KERNELS;
  if (fs::create_directories(folder)) fs::permissions(folder, fs::perms::owner_all);
  return folder.string();
}

}  // namespace attnjit::test
