// Source text -> cubin. Owns the options, the reading of ptxas's report, and what counts as a good result.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "jit/nvrtc.h"
#include "jit/ptxas_report.h"
#include "jit/source.h"
#include "jit/target.h"
#include "jit/templates.h"

namespace attnjit::jit {

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
  /// For --frandom-seed, so that cubins are bit-identical: the config's digest.
  std::string seed;
  /// NVRTC looks at the clock between its passes only, so a compile may end some seconds after it.
  std::chrono::milliseconds deadline{60'000};
};

/// The options that change code, joined by a space; part of the cache key. The target and the seed are not
/// among them: the key has them, or their source, as fields of their own.
std::string code_options();

/// Compiles, on the calling thread; any number of threads may at once. Throws attnjit::CompileError with log,
/// source, options and versions, or attnjit::Error(kUnsupported) for a target that this NVRTC does not know,
/// naming those it knows. A result that breaks a promise is a CompileError too: no such entry in the cubin, no
/// report of it, or a log that says that wgmma is serialized or setmaxnreg ignored (such a kernel is broken).
/// Spills are reported, not judged.
Cubin compile(const Nvrtc& nvrtc, const Templates& templates, const CompileRequest& request);

/// PTX of the same source, for tests and for people who write kernels; never stored, never loaded.
std::string compile_to_ptx(const Nvrtc& nvrtc, const Templates& templates, const CompileRequest& request);

}  // namespace attnjit::jit
