// KernelPlan -> launchable kernel. The only place where jit, cache and driver meet: look up, build on a miss, load, and
// go on to another cubin where the driver refuses one.
#pragma once

#include <cuda.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "attnjit/context.hpp"
#include "cache/kernel_cache.h"
#include "jit/nvrtc.h"
#include "jit/target.h"
#include "process/fork.h"
#include "runtime/compile_targets.h"
#include "runtime/kernel_builder.h"
#include "runtime/kernel_plan.h"
#include "runtime/loaded_kernel.h"
#include "runtime/miss.h"
#include "runtime/refused_cubins.h"

namespace attnjit::runtime {

struct KernelLoaderOptions {
  std::vector<jit::Target> targets;  // the device's targets, in order of preference; not empty
  std::optional<CUdevice> device;    // empty: compile only
  std::string cache_path;
  CompilerPolicy compiler = CompilerPolicy::kNewest;
  std::string nvrtc_path;
  std::string template_dir;
  LogCallback log;
  MissPolicy on_miss = MissPolicy::kAllow;
  MissCallback miss_callback;
  std::int64_t cache_max_bytes = cache::kDefaultMaxBytes;
};

/// Thread-safe.
class KernelLoader {
 public:
  explicit KernelLoader(KernelLoaderOptions options);

  /// Finds a kernel in the cache or compiles it; needs no driver. `recompile` ignores the cache. Throws MissError if
  /// the kernel is missing and the miss policy forbids compiling it.
  cache::Found prepare(const KernelPlan& plan, bool recompile = false);
  /// prepare(), then loads the kernel into the driver. Each kernel is loaded once per loader.
  std::shared_ptr<const LoadedKernel> load(const KernelPlan& plan);

  /// Whether this process was forked while another thread was inside. If so, not even the destructor may run.
  bool forked_amidst() const { return calls_.forked_amidst(); }
  bool has_device() const { return options_.device.has_value(); }
  void set_miss_policy(MissPolicy policy) { miss_policy_ = policy; }
  MissPolicy miss_policy() const { return miss_policy_; }
  CacheCounters counters() const;

  /// The key fields a plan is cached under.
  cache::KeyFields key_fields(const KernelPlan& plan) const { return builder_.key_fields(plan, target()); }
  /// The target to compile for: the preferred one, or the first after it that NVRTC knows, once NVRTC had to be asked.
  jit::Target target() const { return targets_.current(); }
  const jit::Templates& templates() const { return builder_.templates(); }
  cache::KernelCache& cache() { return cache_; }
  /// The compiler for kernels that need at least this version; see Compilers::get().
  const jit::Nvrtc& nvrtc(jit::CompilerVersion oldest = jit::kOldestNvrtc) { return builder_.nvrtc(oldest); }
  /// Whether it can be loaded without compiling.
  bool is_cached(const KernelPlan& plan);
  /// Counts an operator that got slower kernels than its fastest; logs the warning the first time.
  void count_fallback(const std::string& warning);

 private:
  /// For the kernel with these fields; `plan` must outlive it.
  cache::CompilerWish compiler_wish(const KernelPlan& plan, const cache::KeyFields& fields);
  /// prepare(), whose error includes earlier refusals by the driver.
  cache::Found prepare_after_refusals(const KernelPlan& plan);
  cache::Found prepare_for_some_target(const KernelPlan& plan, bool recompile);
  cache::Found prepare_for_target(const KernelPlan& plan, bool recompile);
  cache::MissDecision on_miss(const KernelPlan& plan, const cache::KeyFields& fields, const std::string& store_trouble);
  std::shared_ptr<const cache::Entry> find_for_later_target(const KernelPlan& plan);
  std::shared_ptr<const LoadedKernel> find_or_load(const KernelPlan& plan);

  mutable process::Occupancy calls_;  // threads using the members below
  KernelLoaderOptions options_;
  KernelBuilder builder_;
  CompileTargets targets_;
  cache::KernelCache cache_;
  std::atomic<MissPolicy> miss_policy_;
  RefusedCubins refused_;
  cache::Count loaded_hits_{0}, refusals_{0}, loads_{0}, refused_cubins_{0}, fallbacks_{0}, load_nanoseconds_{0};
  mutable std::mutex mutex_;                                                     // guards the map
  std::unordered_map<std::string, std::shared_ptr<const LoadedKernel>> loaded_;  // by key
};

}  // namespace attnjit::runtime
