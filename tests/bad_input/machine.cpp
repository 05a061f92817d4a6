#include "tests/bad_input/machine.h"

#include <stdlib.h>

#include <stdexcept>

namespace attnjit::bad_input {

namespace fs = std::filesystem;

ScopedEnvironment::ScopedEnvironment(const char* name, const char* value) : name_(name) {
  if (const char* const old = getenv(name)) old_ = old;
  value != nullptr ? setenv(name, value, 1) : unsetenv(name);
}
ScopedEnvironment::~ScopedEnvironment() { old_ ? setenv(name_, old_->c_str(), 1) : unsetenv(name_); }

const fs::path& program_folder() {
  struct Folder {
    fs::path path;
    Folder() {
      std::string name = (fs::temp_directory_path() / "attnjit-bad-input-XXXXXX").string();
      if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed for " + name);
      path = name;
    }
    ~Folder() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  };
  static const Folder folder;
  return folder.path;
}

ContextOptions fake_device() {
  ContextOptions options;
  options.cache_path = (program_folder() / "cache").string();
  return options;
}

ContextOptions compile_only(const std::string& arch) {
  ContextOptions options;
  options.device = ContextOptions::kNoDevice;
  options.arch = arch;
  options.cache_path = ":memory:";
  return options;
}

std::string install_nvrtc(const std::string& fake, const std::string& builtins_version) {
  static int installed = 0;
  const fs::path folder = program_folder() / ("nvrtc" + std::to_string(installed++));
  fs::create_directories(folder);
  fs::copy_file(fake, folder / "libnvrtc.so");
  if (!builtins_version.empty()) fs::copy_file(fake, folder / ("libnvrtc-builtins.so." + builtins_version));
  return (folder / "libnvrtc.so").string();
}

}  // namespace attnjit::bad_input
