// Times a process that finds its kernel in the cache, from creating the Context until the operator is created (kernel
// loaded into the driver). cuInit and the driver's context come first and are not counted: a host such as PyTorch has
// them already. Each sample is a separate process. NVRTC must not be opened.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "attnjit/attnjit.hpp"
#include "bench/child_process.h"
#include "bench/host_report.h"
#include "examples/device_memory.h"

namespace attnjit {
namespace {

struct Options {
  int samples = 21;
  int device = 0;
  std::string arch;   // for device -1
  std::string child;  // set in a child: the cache's folder
};

bool nvrtc_is_open() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("libnvrtc") != std::string::npos) return true;
  }
  return false;
}

int run_child(const Options& options) {
  device_memory driver;
  if (options.device >= 0 && device_memory_open(&driver, options.device) == 0) {
    throw std::runtime_error("no GPU: use --device -1 --arch sm_90a to time all but the driver's part");
  }
  const auto start = std::chrono::steady_clock::now();
  ContextOptions context_options;
  context_options.device = options.device;
  context_options.arch = options.arch;
  context_options.cache_path = options.child;
  const Context context(context_options);
  const MlaPrefill prefill(context, {.head_dim_qk = 192,
                                     .head_dim_v = 128,
                                     .rope_dim = 64,
                                     .dtype = DType::kBFloat16,
                                     .causal = true,
                                     .out_dtype = DType::kBFloat16});
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  std::puts(nlohmann::json{{"ms", elapsed.count()}, {"nvrtc", nvrtc_is_open()}}.dump().c_str());
  return 0;
}

nlohmann::json sample(const Options& options, const std::string& cache) {
  std::vector<std::string> arguments{"--child", cache, "--device", std::to_string(options.device)};
  if (!options.arch.empty()) arguments.insert(arguments.end(), {"--arch", options.arch});
  bench::Gate gate;
  gate.open();
  return nlohmann::json::parse(bench::ChildProcess(arguments, gate).finish());
}

int run_parent(const Options& options, bench::HostReport& report) {
  const bench::TemporaryFolder cache;
  const nlohmann::json cold = sample(options, cache.path());
  if (!cold.at("nvrtc").get<bool>()) {
    throw std::runtime_error("the first process compiled nothing: its cache was not empty, or NVRTC is not seen");
  }
  std::vector<double> warm;
  for (int i = 0; i < options.samples; ++i) {
    const nlohmann::json result = sample(options, cache.path());
    if (result.at("nvrtc").get<bool>()) throw std::runtime_error("a process with a warm cache opened libnvrtc");
    warm.push_back(result.at("ms").get<double>());
  }
  const std::string what = fmt::format("from Context to MlaPrefill (192, 128) made, {}",
                                       options.device >= 0 ? "kernel loaded" : "no device");
  report.add("cold start, " + what, cold.at("ms").get<double>(), "ms");
  report.add(fmt::format("warm start, {}, median of {} processes", what, options.samples), bench::median(warm), "ms");
  report.add(fmt::format("warm start, {}, slowest of {} processes", what, options.samples),
             *std::max_element(warm.begin(), warm.end()), "ms");
  return report.write();
}

}  // namespace
}  // namespace attnjit

int main(int argc, char** argv) try {
  CLI::App app("Times how soon a process with a warm cache has its kernel.");
  attnjit::bench::HostReport report(app, argc, argv);
  attnjit::Options options;
  app.add_option("--samples", options.samples, "processes")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--device", options.device, "CUDA device; -1: none, then --arch")->capture_default_str();
  app.add_option("--arch", options.arch, "target (default: what fits the device)");
  app.add_option("--child", options.child)->group("");  // hidden: how the parent starts a sample
  CLI11_PARSE(app, argc, argv);
  return options.child.empty() ? attnjit::run_parent(options, report) : attnjit::run_child(options);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
