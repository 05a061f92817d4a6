// KernelPlan -> launchable kernel. The only place where jit, cache and driver meet: look up, compile on a miss, load,
// and handle a driver that refuses a cubin.
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
#include "jit/templates.h"
#include "process/fork.h"
#include "runtime/compilers.h"
#include "runtime/kernel_plan.h"
#include "runtime/launcher.h"
#include "runtime/miss.h"
#include "runtime/refused_cubins.h"
#include "runtime/tile_counters.h"

namespace attnjit::runtime {

class Driver;

/// The launch order to request from a driver (13000 for CUDA 13.0). Before 12.3 CUDA graphs have no edge for
/// programmatic dependent launch, and capturing one fails. A kernel that waits for its prerequisites itself is correct
/// in either order.
constexpr LaunchOrder served_order(LaunchOrder wanted, int driver_version) {
  return driver_version < 12030 ? LaunchOrder::kAfterPrevious : wanted;
}

/// A cubin loaded by the driver. Not tied to a CUDA context: the driver loads it into each context that launches it.
class LoadedKernel {
 public:
  LoadedKernel(const Driver& driver, const cache::Entry& entry, const KernelPlan& plan, CUdevice device,
               const LogCallback& log);
  ~LoadedKernel();
  LoadedKernel(const LoadedKernel&) = delete;
  LoadedKernel& operator=(const LoadedKernel&) = delete;

  /// Launches a one-dimensional grid of `ctas`; `params` is the kernel's only parameter. Throws Error(kDriverError).
  void launch(unsigned ctas, const void* params, CUstream stream,
              LaunchOrder order = LaunchOrder::kAfterPrevious) const;
  /// This module's counters, shared by all operators that launch it.
  TileCounters& tile_counters() const { return tile_counters_; }

 private:
  const Driver& driver_;
  std::string name_;
  CUlibrary library_ = nullptr;
  CUkernel kernel_ = nullptr;
  unsigned threads_ = 0;
  unsigned smem_bytes_ = 0;
  mutable TileCounters tile_counters_;
};

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
  cache::KeyFields key_fields(const KernelPlan& plan) const { return key_fields(plan, target()); }
  /// The target to compile for: the preferred one, or the first after it that NVRTC knows, once NVRTC had to be asked.
  jit::Target target() const;
  const jit::Templates& templates() const { return *templates_; }
  cache::KernelCache& cache() { return cache_; }
  /// The compiler for kernels that need at least this version; see Compilers::get().
  const jit::Nvrtc& nvrtc(jit::CompilerVersion oldest = jit::kOldestNvrtc) { return compilers_.get(oldest); }
  /// Whether it can be loaded without compiling.
  bool is_cached(const KernelPlan& plan);
  /// Counts an operator that got slower kernels than its fastest; logs the warning the first time.
  void count_fallback(const std::string& warning);

 private:
  const std::string& source_digest(const jit::KernelSpec& spec) const;
  cache::KeyFields key_fields(const KernelPlan& plan, const jit::Target& target) const;
  /// For the kernel with these fields; `plan` must outlive it.
  cache::CompilerWish compiler_wish(const KernelPlan& plan, const cache::KeyFields& fields);
  /// prepare(), whose error includes earlier refusals by the driver.
  cache::Found prepare_after_refusals(const KernelPlan& plan);
  cache::Found prepare_for_some_target(const KernelPlan& plan, bool recompile);
  cache::Found prepare_for_target(const KernelPlan& plan, bool recompile);
  void on_miss(const KernelPlan& plan, const cache::KeyFields& fields, const std::string& store_trouble);
  std::shared_ptr<const cache::Entry> find_for_later_target(const KernelPlan& plan);
  bool fall_back_to_next_target();
  std::shared_ptr<const LoadedKernel> find_or_load(const KernelPlan& plan);
  cache::Entry compile(const KernelPlan& plan, const cache::KeyFields& fields);

  mutable process::Occupancy calls_;  // threads using the members below
  KernelLoaderOptions options_;
  Compilers compilers_;
  std::shared_ptr<const jit::Templates> templates_;
  cache::KernelCache cache_;
  std::atomic<MissPolicy> miss_policy_;
  RefusedCubins refused_;
  cache::Count loaded_hits_{0}, refusals_{0}, loads_{0}, refused_cubins_{0}, fallbacks_{0}, load_nanoseconds_{0};
  mutable std::mutex mutex_;                                                     // guards the members below
  std::size_t target_ = 0;                                                       // index into options_.targets
  mutable std::unordered_map<std::string, std::string> source_digests_;          // by family
  std::unordered_map<std::string, std::shared_ptr<const LoadedKernel>> loaded_;  // by key
};

}  // namespace attnjit::runtime
