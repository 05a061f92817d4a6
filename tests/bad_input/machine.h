// The machine that the rows run on: the fake driver, this machine's NVRTC or a fake one, and a folder owned by the
// program.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "attnjit/context.hpp"

namespace attnjit::bad_input {

/// Sets or removes an environment variable until the end of the scope.
class ScopedEnvironment {
 public:
  ScopedEnvironment(const char* name, const char* value);
  ~ScopedEnvironment();
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

/// A folder of this program, removed when it ends.
const std::filesystem::path& program_folder();

/// Device 0 of the fake driver, with one cache for the whole program, so that kernels are compiled once.
ContextOptions fake_device();
/// No device; nothing is kept.
ContextOptions compile_only(const std::string& arch);

/// A fake libnvrtc in a folder of its own, with its builtins beside it (named for `builtins_version`, such as "12.9")
/// unless that is empty. Returns its path.
std::string install_nvrtc(const std::string& fake, const std::string& builtins_version);

}  // namespace attnjit::bad_input
