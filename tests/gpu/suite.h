// What all GPU tests share, whatever their operator: the device, the kernel cache, the operators they created, and a
// record of every kernel that was launched.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "attnjit/context.hpp"
#include "runtime/kernel_plan.h"
#include "verify/device.h"
#include "verify/reference/reference_kernels.h"

namespace attnjit::gpu_tests {

struct SuiteOptions {
  std::string cache_path;
  int device = 0;
  /// A kernel that has to be compiled is a failure: the cache should have been filled before.
  bool require_cached = false;
};

/// A kernel that ran, and the tests that ran it.
struct KernelRun {
  runtime::KernelPlan plan;
  std::set<std::string> tests;
};

class Suite {
 public:
  explicit Suite(const SuiteOptions& options);

  const Context& context() const { return context_; }
  const SuiteOptions& options() const { return options_; }
  const reference::ReferenceKernels& plain() const { return *plain_; }
  /// Returns what `make` returns, made once per key. Used for operators, whose kernels then stay loaded.
  template <class T, class Make>
  const T& kept(const std::string& key, const Make& make) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = kept_.find(key); found != kept_.end()) return *static_cast<const T*>(found->second.get());
    }
    std::shared_ptr<const void> made = std::make_shared<const T>(make());
    const std::lock_guard lock(mutex_);
    return *static_cast<const T*>(kept_.try_emplace(key, std::move(made)).first->second.get());
  }
  /// A new context, none of whose kernels has been launched or loaded yet.
  struct Fresh {
    bool debug_checks = false;
  };
  Context fresh_context(const Fresh& wish);
  Context fresh_context() { return fresh_context({}); }
  /// Empty, or how many kernels were compiled although none should have been.
  std::string check_cached() const;

  /// Records that the current test launched a kernel.
  void record(const runtime::KernelPlan& plan);
  std::vector<KernelRun> kernels_run() const;

 private:
  SuiteOptions options_;
  CurrentDevice current_;
  Context context_;
  std::unique_ptr<reference::ReferenceKernels> plain_;
  mutable std::mutex mutex_;  // guards the members below
  std::vector<Context> fresh_contexts_;
  std::map<std::string, std::shared_ptr<const void>> kept_;
  std::map<std::string, KernelRun> kernels_run_;  // by family and config
};

/// The only suite of this process; main creates it.
Suite& suite();
void set_suite(std::unique_ptr<Suite> suite);

/// Seed of the random cases. GoogleTest asks for its parameters inside InitGoogleTest, so main sets the seed before
/// that.
std::uint64_t suite_seed();
void set_suite_seed(std::uint64_t seed);

/// Compiles everything that the suite runs into a cache, with `jobs` threads. Needs no GPU.
struct WarmResult {
  int kernels = 0;
  int compiled = 0;
  double seconds = 0;
};
WarmResult warm_cache(const std::string& cache_path, const std::string& arch, int jobs);

}  // namespace attnjit::gpu_tests
