// One libnvrtc opened by dlopen: its C functions, version and architectures. Internal to jit/.
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
  /// Null if this NVRTC lacks it; compiles then have no deadline.
  decltype(&nvrtcSetFlowCallback) set_flow_callback = nullptr;
};

/// Marks a thread as inside libnvrtc, or opening one. Throws Error(kNoCompiler) in a process that was forked while
/// another thread was inside: a thread that does not exist in the child may hold NVRTC's locks.
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
  /// The host program had loaded it before this library opened it.
  bool loaded_by_host = false;
  /// Why it cannot be used; empty if it can.
  std::string problem;
};

/// Opens the library, or returns it if already open. A `path` without a slash uses the dynamic loader's search. Always
/// returns a library; `problem` says what is wrong with it. Nothing is ever closed: NVRTC keeps thread-local state that
/// does not survive a dlclose.
std::shared_ptr<const NvrtcLibrary> open_nvrtc_library(const std::string& path);

/// True for a library opened by open_nvrtc_library() and not previously by the host program.
bool opened_only_here(const std::string& path);

}  // namespace attnjit::jit
