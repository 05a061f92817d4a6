// Source text -> cubin. Owns the options, the parsing of ptxas's report, and the criteria for a good result.
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
  /// For --frandom-seed, so cubins are bit-identical: the config's digest.
  std::string seed;
  /// NVRTC checks the clock only between passes, so a compile may overrun it by some seconds.
  std::chrono::milliseconds deadline{60'000};
};

/// The options that change code, joined by spaces; part of the cache key. The target and the seed are not included: the
/// key has them, or what they derive from, as separate fields.
std::string code_options();

/// Compiles on the calling thread; any number of threads may compile at once. Throws attnjit::CompileError with log,
/// source, options and versions, or attnjit::Error(kUnsupported) if this NVRTC does not know the target, naming those
/// it knows. A bad result is a CompileError too: the cubin or the report lacks the entry, or the log says that wgmma
/// was serialized or setmaxnreg ignored (such a kernel is broken). Spills are reported but not an error.
Cubin compile(const Nvrtc& nvrtc, const Templates& templates, const CompileRequest& request);

/// PTX of the same source, for tests and kernel authors; never stored or loaded.
std::string compile_to_ptx(const Nvrtc& nvrtc, const Templates& templates, const CompileRequest& request);

}  // namespace attnjit::jit
