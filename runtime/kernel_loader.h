// KernelPlan -> a kernel that can be launched. The only place where jit, cache and driver meet: look up,
// compile on a miss, load, and answer a driver that refuses a cubin.
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

/// What a driver (13000 for CUDA 13.0) is asked for. Before 12.3 a CUDA graph has no edge that stands for an overlap,
/// and capturing one fails; a kernel that waits for its prerequisites itself is right in either order.
constexpr LaunchOrder served_order(LaunchOrder wanted, int driver_version) {
  return driver_version < 12030 ? LaunchOrder::kAfterPrevious : wanted;
}

/// A cubin in the driver's hands. Not tied to a CUDA context: the driver loads it into each one that launches
/// it.
class LoadedKernel {
 public:
  LoadedKernel(const Driver& driver, const cache::Entry& entry, const KernelPlan& plan, CUdevice device,
               const LogCallback& log);
  ~LoadedKernel();
  LoadedKernel(const LoadedKernel&) = delete;
  LoadedKernel& operator=(const LoadedKernel&) = delete;

  /// One-dimensional grid of `ctas`; `params` is the kernel's one parameter. Throws Error(kDriverError).
  void launch(unsigned ctas, const void* params, CUstream stream,
              LaunchOrder order = LaunchOrder::kAfterPrevious) const;
  /// Of this module, for launches of whichever operator.
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
  std::vector<jit::Target> targets;  // that serve the device, most wanted first; not empty
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

  /// Compiles or finds a kernel; needs no driver. `recompile` ignores what the cache has. Throws MissError when a
  /// kernel is missing and the miss policy forbids to compile it.
  cache::Found prepare(const KernelPlan& plan, bool recompile = false);
  /// prepare(), then loads it into the driver; each kernel of this loader is loaded once.
  std::shared_ptr<const LoadedKernel> load(const KernelPlan& plan);

  /// Whether this process was forked while another thread was inside: then not even the destructor may run.
  bool forked_amidst() const { return calls_.forked_amidst(); }
  bool has_device() const { return options_.device.has_value(); }
  void set_miss_policy(MissPolicy policy) { miss_policy_ = policy; }
  MissPolicy miss_policy() const { return miss_policy_; }
  CacheCounters counters() const;

  /// The key fields under which a plan is cached.
  cache::KeyFields key_fields(const KernelPlan& plan) const { return key_fields(plan, target()); }
  /// What is compiled for: the most wanted target, or the first after it that NVRTC knows, once it had to be
  /// asked.
  jit::Target target() const;
  const jit::Templates& templates() const { return *templates_; }
  cache::KernelCache& cache() { return cache_; }
  /// The compiler of kernels that need at least this version; as Compilers::get().
  const jit::Nvrtc& nvrtc(jit::CompilerVersion oldest = jit::kOldestNvrtc) { return compilers_.get(oldest); }
  /// Whether it can be loaded without compiling anything.
  bool is_cached(const KernelPlan& plan);
  /// An operator got slower kernels than its fastest; the first time the warning is logged.
  void count_fallback(const std::string& warning);

 private:
  const std::string& source_digest(const jit::KernelSpec& spec) const;
  cache::KeyFields key_fields(const KernelPlan& plan, const jit::Target& target) const;
  /// For the kernel of these fields; `plan` must outlive it.
  cache::CompilerWish compiler_wish(const KernelPlan& plan, const cache::KeyFields& fields);
  /// prepare(), whose error says what the driver refused before.
  cache::Found prepare_after_refusals(const KernelPlan& plan);
  cache::Found prepare_for_some_target(const KernelPlan& plan, bool recompile);
  cache::Found prepare_for_target(const KernelPlan& plan, bool recompile);
  void on_miss(const KernelPlan& plan, const cache::KeyFields& fields, const std::string& store_trouble);
  std::shared_ptr<const cache::Entry> find_for_later_target(const KernelPlan& plan);
  bool fall_back_to_next_target();
  std::shared_ptr<const LoadedKernel> find_or_load(const KernelPlan& plan);
  cache::Entry compile(const KernelPlan& plan, const cache::KeyFields& fields);

  mutable process::Occupancy calls_;  // that use what follows
  KernelLoaderOptions options_;
  Compilers compilers_;
  std::shared_ptr<const jit::Templates> templates_;
  cache::KernelCache cache_;
  std::atomic<MissPolicy> miss_policy_;
  RefusedCubins refused_;
  cache::Count loaded_hits_{0}, refusals_{0}, loads_{0}, refused_cubins_{0}, fallbacks_{0}, load_nanoseconds_{0};
  mutable std::mutex mutex_;                                                     // guards what follows
  std::size_t target_ = 0;                                                       // index into options_.targets
  mutable std::unordered_map<std::string, std::string> source_digests_;          // by family
  std::unordered_map<std::string, std::shared_ptr<const LoadedKernel>> loaded_;  // by key
};

}  // namespace attnjit::runtime
