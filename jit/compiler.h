// Source text -> cubin. Owns the options, the reading of ptxas's report, and what counts as a good result.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jit/nvrtc.h"
#include "jit/source.h"
#include "jit/target.h"
#include "jit/templates.h"

namespace attnjit::jit {

/// What ptxas reports of a kernel, in bytes but for registers.
struct Resources {
  int registers = 0;
  int stack_bytes = 0;
  int spill_store_bytes = 0;
  int spill_load_bytes = 0;
  int static_shared_bytes = 0;
  int constant_bytes = 0;
  int barriers = 0;
  bool operator==(const Resources&) const = default;
};

struct Cubin {
  std::vector<unsigned char> image;
  Resources resources;
  std::string log;
  std::vector<std::string> options;
  CompilerVersion compiler;
  double seconds = 0;
};

struct CompileRequest {
  Source source;
  Target target;
  std::string seed;                          // for --frandom-seed: the config's digest, so cubins are bit-identical
  std::chrono::milliseconds deadline{60'000};  // through nvrtcSetFlowCallback, where this NVRTC has it
};

/// The options that change code, joined by a space; part of the cache key. The target and the seed are not
/// among them: the key has them, or their source, as fields of their own.
std::string code_options();

/// Compiles; throws attnjit::CompileError with log, source, options and versions, or attnjit::Error
/// (kUnsupported) for a target that this NVRTC does not know, naming those it knows. A log that says that
/// wgmma is serialized or setmaxnreg ignored is an error too: such a kernel is broken.
Cubin compile(const Nvrtc& nvrtc, const Templates& templates, const CompileRequest& request);

/// PTX of the same source, for tests and for people who write kernels; never stored, never loaded.
std::string compile_to_ptx(const Nvrtc& nvrtc, const Templates& templates, const CompileRequest& request);

}  // namespace attnjit::jit
