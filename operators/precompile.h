// Warms the cache: compiles in parallel what a list of operators needs on a list of targets. Needs no GPU and no
// driver.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attnjit/context.hpp"
#include "cache/kernel_cache.h"
#include "operators/operator_config.h"

namespace attnjit::runtime {

struct PrecompileOptions {
  std::vector<OperatorConfig> operators;
  std::vector<std::string> archs;  // "sm_90a", ...
  int jobs = 0;                    // 0: one per core
  bool recompile = false;
  ContextOptions context;  // cache path, NVRTC path, templates, log; device and arch are ignored
};

/// The outcome for one kernel.
struct KernelReport {
  std::string operator_json;  // the first operator that needed it
  std::string family;
  std::string config_json;  // JSON of the KernelConfig
  std::string target;
  std::string key;  // hex
  bool ok = false;
  cache::Tier tier = cache::Tier::kCompiled;
  double seconds = 0;
  int registers = 0;
  int spill_bytes = 0;
  int smem_bytes = 0;  // static + dynamic
  std::int64_t cubin_bytes = 0;
  std::string compiler;  // "nvrtc 13.0"
  std::string error;     // set on failure
};

struct PrecompileProgress {
  int done = 0;
  int total = 0;
  const KernelReport* last = nullptr;
};

/// Compiles kernels shared by several operators once. Reports come in the order of archs, then operators. `progress` is
/// called under a lock after each kernel. A kernel that fails does not stop the others. `counters`, if given, receives
/// the cache counters summed over the archs.
std::vector<KernelReport> precompile(const PrecompileOptions& options,
                                     const std::function<void(const PrecompileProgress&)>& progress = {},
                                     CacheCounters* counters = nullptr);

}  // namespace attnjit::runtime
