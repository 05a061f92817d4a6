// Starts many processes together on an empty cache and measures how often each kernel is compiled (should be once) and
// when the last process has its kernels. Needs no GPU.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "bench/child_process.h"
#include "bench/host_report.h"
#include "operators/presets.h"
#include "runtime/context_impl.h"

namespace attnjit {
namespace {

struct Options {
  int processes = 16;
  std::string preset = "deepseek-v3";
  std::string arch = "sm_90a";
  std::string cache;  // set in a child
};

/// Each kernel once: operators of a preset share kernels.
std::vector<runtime::KernelPlan> kernels_of(const Options& options) {
  const runtime::SmFeatures features = runtime::sm_features(jit::Target::parse(options.arch));
  std::vector<runtime::KernelPlan> all;
  std::set<std::string> seen;
  for (const runtime::OperatorConfig& config : runtime::preset(options.preset).operators) {
    for (runtime::KernelPlan& plan : runtime::plans(config, features)) {
      if (seen.insert(plan.spec.family + plan.spec.config_json()).second) all.push_back(std::move(plan));
    }
  }
  return all;
}

/// Waits for the others, gets every kernel, and prints its cache's counters.
int run_child(const Options& options) {
  const std::vector<runtime::KernelPlan> kernels = kernels_of(options);
  bench::Gate::wait_at_standard_input();
  const auto start = std::chrono::steady_clock::now();
  ContextOptions context_options;
  context_options.device = ContextOptions::kNoDevice;
  context_options.arch = options.arch;
  context_options.cache_path = options.cache;
  const Context context(context_options);
  runtime::KernelLoader& loader = runtime::context_impl(context)->loader();
  for (const runtime::KernelPlan& kernel : kernels) loader.prepare(kernel);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const cache::Counters& counters = loader.cache().counters();
  const nlohmann::json result{{"seconds", elapsed.count()},
                              {"compiles", counters.compiles.load()},
                              {"waits", counters.waits.load()},
                              {"store_failures", counters.store_failures.load()}};
  std::puts(result.dump().c_str());
  return 0;
}

int run_parent(const Options& options, bench::HostReport& report) {
  const bench::TemporaryFolder cache;
  bench::Gate gate;
  std::vector<std::unique_ptr<bench::ChildProcess>> children;
  for (int i = 0; i < options.processes; ++i) {
    children.push_back(std::make_unique<bench::ChildProcess>(
        std::vector<std::string>{"--child", cache.path(), "--preset", options.preset, "--arch", options.arch}, gate));
  }
  gate.open();

  std::int64_t compiles = 0;
  std::int64_t store_failures = 0;
  double slowest = 0;
  for (const auto& child : children) {
    const nlohmann::json result = nlohmann::json::parse(child->finish());
    compiles += result.at("compiles").get<std::int64_t>();
    store_failures += result.at("store_failures").get<std::int64_t>();
    slowest = std::max(slowest, result.at("seconds").get<double>());
  }
  const auto kernels = static_cast<std::int64_t>(kernels_of(options).size());
  const std::string what = fmt::format("{} processes started together on an empty cache, {} kernels of {} for {}",
                                       options.processes, kernels, options.preset, options.arch);
  report.add(what + ": compiles in all", static_cast<double>(compiles), "compiles");
  report.add(what + ": compiles per kernel", static_cast<double>(compiles) / static_cast<double>(kernels), "compiles");
  report.add(what + ": until the last has its kernels", slowest, "s");
  if (const int status = report.write(); status != 0) return status;
  if (compiles == kernels && store_failures == 0) return 0;
  std::fprintf(stderr, "%ld compiles of %ld kernels, %ld failures of the store\n", static_cast<long>(compiles),
               static_cast<long>(kernels), static_cast<long>(store_failures));
  return 1;
}

}  // namespace
}  // namespace attnjit

int main(int argc, char** argv) try {
  CLI::App app("Starts processes together on an empty cache and counts the compiles.");
  attnjit::bench::HostReport report(app, argc, argv);
  attnjit::Options options;
  app.add_option("--processes", options.processes, "how many")->capture_default_str();
  app.add_option("--preset", options.preset, "whose kernels")->capture_default_str();
  app.add_option("--arch", options.arch, "target")->capture_default_str();
  app.add_option("--child", options.cache)->group("");  // hidden: how the parent starts the others
  CLI11_PARSE(app, argc, argv);
  return options.cache.empty() ? attnjit::run_parent(options, report) : attnjit::run_child(options);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
