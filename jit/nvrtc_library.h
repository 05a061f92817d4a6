// One libnvrtc opened by dlopen: its C functions, version and architectures. Inside of jit only.
#pragma once

#include <nvrtc.h>

#include <memory>
#include <string>
#include <vector>

#include "jit/nvrtc.h"
#include "process/fork.h"

namespace attnjit::jit {

struct Nvrtc::Functions {
  decltype(&nvrtcVersion) version = nullptr;
  decltype(&nvrtcGetErrorString) get_error_string = nullptr;
  decltype(&nvrtcGetNumSupportedArchs) get_num_supported_archs = nullptr;
  decltype(&nvrtcGetSupportedArchs) get_supported_archs = nullptr;
  decltype(&nvrtcCreateProgram) create_program = nullptr;
  decltype(&nvrtcDestroyProgram) destroy_program = nullptr;
  decltype(&nvrtcCompileProgram) compile_program = nullptr;
  decltype(&nvrtcGetProgramLogSize) get_program_log_size = nullptr;
  decltype(&nvrtcGetProgramLog) get_program_log = nullptr;
  decltype(&nvrtcGetCUBINSize) get_cubin_size = nullptr;
  decltype(&nvrtcGetCUBIN) get_cubin = nullptr;
  decltype(&nvrtcGetPTXSize) get_ptx_size = nullptr;
  decltype(&nvrtcGetPTX) get_ptx = nullptr;
  /// Null where this NVRTC lacks it: then a compile has no deadline.
  decltype(&nvrtcSetFlowCallback) set_flow_callback = nullptr;
};

/// A thread's stay inside libnvrtc, or in opening one. Throws Error(kNoCompiler) in a process that was forked while
/// another thread was there: its locks may be held by a thread that the child does not have.
class NvrtcStay {
 public:
  NvrtcStay();

 private:
  process::Stay stay_;
};

struct NvrtcLibrary {
  std::string path;
  CompilerVersion version;
  std::vector<int> archs;
  std::shared_ptr<const Nvrtc::Functions> functions;
  /// The host program had it loaded before this library opened it.
  bool loaded_by_host = false;
  /// Why it cannot be used; empty if it can.
  std::string problem;
};

/// Opens the library, or finds that it was opened before. `path` without a slash goes through the dynamic loader's
/// search. Always returns something; `problem` says what is wrong with it. Nothing is ever closed: NVRTC keeps
/// thread-local state that does not survive a dlclose.
std::shared_ptr<const NvrtcLibrary> open_nvrtc_library(const std::string& path);

/// True for a library that was opened by open_nvrtc_library() and not by the host program before.
bool opened_only_here(const std::string& path);

}  // namespace attnjit::jit
