#include "jit/nvrtc_library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>

#include "attnjit/error.hpp"
#include "process/exit.h"

namespace attnjit::jit {
namespace {

namespace fs = std::filesystem;

constinit process::Occupancy inside_nvrtc;

/// The libraries this process has opened, by dlopen's handle, which is the same for all paths of a file.
struct Registry {
  std::mutex mutex;
  std::map<void*, std::shared_ptr<const NvrtcLibrary>> libraries;
};

/// Never destroyed: a thread may still be compiling while the process exits.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

void* open_shared_object(const std::string& path, int more_flags = 0) {
  return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | more_flags);
}

fs::path path_of(void* handle) {
  link_map* map = nullptr;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return {};
  std::error_code error;
  return fs::absolute(map->l_name, error);
}

/// Resolves the function; false if the library has none of this name.
template <class Function>
bool load_function(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
  return function != nullptr;
}

/// The name of the first missing function, or nothing.
std::string load_functions(void* handle, Nvrtc::Functions& functions) {
  std::string missing;
  const auto need = [&](const char* name, auto& function) {
    if (!load_function(handle, name, function) && missing.empty()) missing = name;
  };
  need("nvrtcVersion", functions.version);
  need("nvrtcGetErrorString", functions.get_error_string);
  need("nvrtcGetNumSupportedArchs", functions.get_num_supported_archs);
  need("nvrtcGetSupportedArchs", functions.get_supported_archs);
  need("nvrtcCreateProgram", functions.create_program);
  need("nvrtcDestroyProgram", functions.destroy_program);
  need("nvrtcCompileProgram", functions.compile_program);
  need("nvrtcGetProgramLogSize", functions.get_program_log_size);
  need("nvrtcGetProgramLog", functions.get_program_log);
  need("nvrtcGetCUBINSize", functions.get_cubin_size);
  need("nvrtcGetCUBIN", functions.get_cubin);
  need("nvrtcGetPTXSize", functions.get_ptx_size);
  need("nvrtcGetPTX", functions.get_ptx);
  load_function(handle, "nvrtcSetFlowCallback", functions.set_flow_callback);
  return missing;
}

/// NVRTC loads its builtins by bare name, which fails if the library is outside the loader's path, or finds another
/// installation's. Opening the ones next to it by absolute path first makes NVRTC get those.
std::string open_builtins(const fs::path& library, CompilerVersion version) {
  const std::string name = fmt::format("libnvrtc-builtins.so.{}.{}", version.major, version.minor);
  std::error_code error;
  for (const fs::path& folder : {library.parent_path(), fs::canonical(library, error).parent_path()}) {
    if (!folder.empty() && open_shared_object((folder / name).string()) != nullptr) return {};
  }
  if (open_shared_object(name) != nullptr) return {};
  return fmt::format("{} is neither beside it nor found by the loader", name);
}

constexpr int kMostArchs = 1000;  // NVRTC 13.0 has 13

std::string load(void* handle, NvrtcLibrary& library) {
  auto functions = std::make_shared<Nvrtc::Functions>();
  if (const std::string missing = load_functions(handle, *functions); !missing.empty()) {
    return fmt::format("it has no function {}", missing);
  }
  if (functions->version(&library.version.major, &library.version.minor) != NVRTC_SUCCESS) {
    return "nvrtcVersion failed";
  }
  if (library.version < kOldestNvrtc) {
    return fmt::format("NVRTC {} is older than {}", library.version.name(), kOldestNvrtc.name());
  }
  int count = 0;
  if (functions->get_num_supported_archs(&count) != NVRTC_SUCCESS || count <= 0 || count > kMostArchs) {
    return "nvrtcGetNumSupportedArchs failed";
  }
  library.archs.resize(static_cast<std::size_t>(count));
  if (functions->get_supported_archs(library.archs.data()) != NVRTC_SUCCESS) {
    return "nvrtcGetSupportedArchs failed";
  }
  library.functions = std::move(functions);
  return open_builtins(library.path, library.version);
}

}  // namespace

NvrtcStay::NvrtcStay() : stay_(inside_nvrtc) {
  if (stay_.entered()) return;
  throw Error(
      Status::kNoCompiler,
      "this process was forked while another thread was compiling with NVRTC, which is of no use in such a child: "
      "compile ahead of time (attnjit precompile-cache), fork while nothing is compiled, or start another program "
      "(exec)");
}

std::shared_ptr<const NvrtcLibrary> open_nvrtc_library(const std::string& path) {
  const NvrtcStay stay;
  Registry& opened = registry();
  const std::scoped_lock lock(opened.mutex);
  auto library = std::make_shared<NvrtcLibrary>();
  library->path = path;
  void* handle = open_shared_object(path, RTLD_NOLOAD);
  const auto known = opened.libraries.find(handle);
  // Retry a library that had a problem: its builtins, or a free descriptor to open them, may be available by now.
  if (known != opened.libraries.end() && known->second->problem.empty()) return known->second;
  library->loaded_by_host = known != opened.libraries.end() ? known->second->loaded_by_host : handle != nullptr;
  if (handle == nullptr) handle = open_shared_object(path);
  if (handle == nullptr) {
    const char* const reason = dlerror();
    library->problem = reason != nullptr ? reason : "dlopen failed";
    return library;
  }
  if (const fs::path real = path_of(handle); !real.empty()) library->path = real.string();
  library->problem = load(handle, *library);
  process::watch_exit();  // before exit() destroys what it has registered
  opened.libraries.insert_or_assign(handle, library);
  return library;
}

bool opened_only_here(const std::string& path) {
  const NvrtcStay stay;
  Registry& opened = registry();
  const std::scoped_lock lock(opened.mutex);
  const auto known = opened.libraries.find(open_shared_object(path, RTLD_NOLOAD));
  return known != opened.libraries.end() && !known->second->loaded_by_host;
}

}  // namespace attnjit::jit
