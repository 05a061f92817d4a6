// What all GPU tests share: the device, the cache that they take kernels from, the operators they made, and a record of
// every kernel that was launched.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "attnjit/context.hpp"
#include "attnjit/mha_varlen.hpp"
#include "runtime/kernel_plan.h"
#include "runtime/mha_varlen_impl.h"
#include "tests/gpu/case.h"
#include "tests/gpu/device.h"
#include "tests/reference/reference_kernels.h"

namespace attnjit::gpu_tests {

struct SuiteOptions {
  std::string cache_path;
  int device = 0;
  /// A kernel that has to be compiled is a failure: the cache was to be filled before.
  bool require_cached = false;
};

/// A kernel that ran, and in which tests.
struct KernelRun {
  runtime::KernelPlan plan;
  std::set<std::string> tests;
};

/// An operator as a test calls it.
class TestedOperator {
 public:
  TestedOperator(const Context& context, const OperatorUse& use, Tiles tiles);
  /// Runs it, and records which kernel that was.
  void run(const MhaVarlenParams& params, CUstream stream) const;

 private:
  OperatorUse use_;
  /// The public operator where the context's own features are used, else the inside of one with others.
  std::function<void(const MhaVarlenParams&, Stream)> run_;
  std::unique_ptr<runtime::MhaVarlenKernels> kernels_;
};

class Suite {
 public:
  explicit Suite(const SuiteOptions& options);

  const Context& context() const { return context_; }
  const SuiteOptions& options() const { return options_; }
  const reference::ReferenceKernels& plain() const { return *plain_; }
  /// The same operator for the same arguments.
  const TestedOperator& op(const MhaVarlenConfig& config, Variant variant = Variant::kOwn,
                           Tiles tiles = Tiles::kAsPlanned);
  /// A context of its own, so that none of its kernels has been launched or loaded yet.
  Context fresh_context();
  /// Empty, or how many kernels were compiled although none should.
  std::string check_cached() const;

  void record(const runtime::KernelPlan& plan);
  std::vector<KernelRun> kernels_run() const;

 private:
  SuiteOptions options_;
  CurrentDevice current_;
  Context context_;
  std::unique_ptr<reference::ReferenceKernels> plain_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Context> fresh_contexts_;
  std::map<std::string, std::unique_ptr<TestedOperator>> operators_;
  std::map<std::string, KernelRun> kernels_run_;  // by family and config
};

/// The one suite of this process; main makes it.
Suite& suite();
void set_suite(std::unique_ptr<Suite> suite);

/// Seed of the random cases. GoogleTest asks for its parameters inside InitGoogleTest, so main sets it before.
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
