#include "emulator/kernel_object.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "attnjit/error.hpp"
#include "cache/key.h"
#include "cache/location.h"
#include "emulator/host_compiler.h"
#include "emulator/text.h"

#if defined(__SANITIZE_ADDRESS__)
/// The leak check scans thread-local variables for pointers. For objects opened at run time it derives their location
/// from what glibc stores in front of them, gets it wrong, and crashes: so it must not learn about these. All others it
/// must see: what NVRTC stores with pthread_setspecific is reachable only through them.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "intercept_tls_get_addr=0";
}
#endif

namespace attnjit::emulator {
namespace {

namespace fs = std::filesystem;

std::string digest_of(const KernelText& text, const HostCompiler& compiler, bool race_check) {
  cache::DigestBuilder builder;
  builder.add("main", text.main).add("compiler", compiler.identity);
  for (const auto& [name, content] : text.files) builder.add(name, content);
  // The options for a fixed folder, since the real one is not known yet.
  for (const std::string& option : compile_options("/", race_check)) builder.add("option", option);
  return builder.finish().hex();
}

KernelFunction open_object(const fs::path& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* const entry = library != nullptr ? dlsym(library, kEntry) : nullptr;
  if (entry == nullptr) {
    throw Error(Status::kInternal, fmt::format("emulator: {} cannot be opened: {}. Remove it, and it is compiled again",
                                               path.string(), dlerror()));
  }
  return reinterpret_cast<KernelFunction>(entry);
}

/// Removes the folder at the end of its scope.
struct ScratchFolder {
  explicit ScratchFolder(const fs::path& parent) {
    std::string name = (parent / "compile-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw Error(Status::kInternal, fmt::format("emulator: no folder can be made in {}", parent.string()));
    }
    path = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  fs::path path;
};

}  // namespace

KernelObjects::KernelObjects(const fs::path& directory, const jit::Templates& templates)
    : directory_(directory), templates_(&templates) {
  fs::create_directories(directory_.parent_path());
  (void)mkdir(directory_.c_str(), 0700);
  struct stat status {};
  if (lstat(directory_.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid() ||
      (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw Error(Status::kInvalidArgument,
                fmt::format("emulator: {} has to be a folder of this user that nobody else may write; give another one",
                            directory_.string()));
  }
}

fs::path KernelObjects::beside_cache() {
  const cache::Location location = cache::choose_location("");
  if (!location.directory) {
    throw Error(Status::kInvalidArgument,
                fmt::format("emulator: no folder to keep compiled kernels in ({}); name one in ATTNJIT_CACHE",
                            location.reason));
  }
  return *location.directory / "emulator";
}

const KernelObject& KernelObjects::get(const jit::KernelSpec& spec, bool race_check) {
  const std::lock_guard lock(*mutex_);
  const HostCompiler compiler = find_host_compiler();
  const KernelText text = kernel_text(spec, *templates_, race_check);
  const std::string digest = digest_of(text, compiler, race_check);
  if (const auto found = open_.find(digest); found != open_.end()) return found->second;

  KernelObject object{.name = text.name, .path = directory_ / (digest + ".so")};
  if (!fs::exists(object.path)) {
    const auto start = std::chrono::steady_clock::now();
    const ScratchFolder scratch(directory_);
    write(text, scratch.path);
    compile(compiler, text.name, scratch.path, scratch.path / "kernel.so", race_check);
    fs::rename(scratch.path / "kernel.so", object.path);  // atomic, even if others compile it too
    object.compiled = true;
    object.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  object.function = open_object(object.path);
  return open_.emplace(digest, std::move(object)).first->second;
}

}  // namespace attnjit::emulator
