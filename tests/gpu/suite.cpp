#include "tests/gpu/suite.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <thread>
#include <utility>

#include "runtime/context_impl.h"
#include "verify/dice.h"
#include "verify/tested_operators.h"

namespace attnjit::gpu_tests {
namespace {

ContextOptions context_options(const SuiteOptions& options) {
  ContextOptions context;
  context.device = options.device;
  context.cache_path = options.cache_path;
  return context;
}

std::unique_ptr<Suite>& the_suite() {
  static std::unique_ptr<Suite> suite;
  return suite;
}

std::string current_test() {
  const testing::TestInfo* const test = testing::UnitTest::GetInstance()->current_test_info();
  return test == nullptr ? "" : fmt::format("{}.{}", test->test_suite_name(), test->name());
}

}  // namespace

Suite& suite() {
  if (the_suite() == nullptr) throw std::logic_error("a GPU test ran without a device");
  return *the_suite();
}
void set_suite(std::unique_ptr<Suite> suite) { the_suite() = std::move(suite); }

namespace {
std::uint64_t random_seed = kDefaultSeed;
}  // namespace
std::uint64_t suite_seed() { return random_seed; }
void set_suite_seed(std::uint64_t seed) { random_seed = seed; }

Suite::Suite(const SuiteOptions& options)
    : options_(options),
      current_(options.device),
      context_(context_options(options)),
      plain_(std::make_unique<reference::ReferenceKernels>(runtime::context_impl(context_)->loader())) {}

Context Suite::fresh_context(const Fresh& wish) {
  ContextOptions options = context_options(options_);
  options.debug_checks = wish.debug_checks;
  const std::lock_guard lock(mutex_);
  return fresh_contexts_.emplace_back(std::move(options));
}

std::string Suite::check_cached() const {
  const std::lock_guard lock(mutex_);
  std::int64_t compiles = runtime::context_impl(context_)->loader().cache().counters().compiles;
  for (const Context& context : fresh_contexts_)
    compiles += runtime::context_impl(context)->loader().cache().counters().compiles;
  if (!options_.require_cached || compiles == 0) return "";
  return fmt::format(
      "{} kernels were compiled here although --require-cached was given: fill the cache with --warm "
      "by a build of the same sources, for this device's target ({})",
      compiles, context_.arch());
}

void Suite::record(const runtime::KernelPlan& plan) {
  const std::lock_guard lock(mutex_);
  KernelRun& run = kernels_run_[plan.spec.family + plan.spec.config_json()];
  run.plan = plan;
  run.tests.insert(current_test());
}

std::vector<KernelRun> Suite::kernels_run() const {
  const std::lock_guard lock(mutex_);
  std::vector<KernelRun> runs;
  for (const auto& [key, run] : kernels_run_) runs.push_back(run);
  return runs;
}

WarmResult warm_cache(const std::string& cache_path, const std::string& arch, int jobs) {
  const auto start = std::chrono::steady_clock::now();
  ContextOptions options;
  options.device = ContextOptions::kNoDevice;
  options.arch = arch;
  options.cache_path = cache_path;
  const Context context(options);
  runtime::KernelLoader& loader = runtime::context_impl(context)->loader();
  const std::vector<runtime::KernelPlan> kernels = suite_kernels(runtime::context_impl(context)->features());

  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < kernels.size(); i = next++) loader.prepare(kernels[i]);
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < jobs; ++i) threads.emplace_back(work);
  reference::prepare_reference_kernels(loader);
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);

  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return {.kernels = static_cast<int>(kernels.size()) + 1,
          .compiled = static_cast<int>(loader.cache().counters().compiles),
          .seconds = seconds.count()};
}

}  // namespace attnjit::gpu_tests
