// Where tests keep kernels whose compilation they do not test: one store for all programs, build folders and
// sanitizers, so that each kernel is compiled once. Tests about caching use a folder of their own.
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
