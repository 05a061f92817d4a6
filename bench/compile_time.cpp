// Times the compile of each kernel of each preset: one at a time, nothing cached, minimum of several rounds. Needs no
// GPU. CPU time is reported beside wall time: NVRTC compiles on the calling thread, so they agree on an idle machine
// and differ on a busy one.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "attnjit/error.hpp"
#include "bench/host_report.h"
#include "operators/presets.h"
#include "runtime/context_impl.h"

namespace attnjit {
namespace {

/// Opening libnvrtc and the first compile of a process cost about 150 ms extra. A kernel that is in no preset pays this
/// once, and it is reported separately.
double open_compiler(const Context& context) {
  const MhaVarlenConfig smallest{.head_dim_qk = 16,
                                 .head_dim_v = 16,
                                 .rope_dim = 0,
                                 .dtype = DType::kBFloat16,
                                 .causal = false,
                                 .out_dtype = DType::kBFloat16};
  const runtime::KernelPlan plan = runtime::plans(smallest, runtime::context_impl(context)->features()).front();
  return runtime::context_impl(context)->loader().prepare(plan).seconds;
}

double thread_cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Timed {
  runtime::KernelPlan plan;
  std::string preset;  // the first preset that has it
  double seconds = std::numeric_limits<double>::infinity();
  double cpu_seconds = std::numeric_limits<double>::infinity();
};

/// Every kernel of every preset, once.
std::vector<Timed> kernels_of_presets(const Context& context) {
  std::vector<Timed> kernels;
  std::set<std::string> seen;  // presets share kernels
  for (const runtime::Preset& preset : runtime::presets()) {
    for (const runtime::OperatorConfig& config : preset.operators) {
      for (const runtime::KernelPlan& plan : runtime::plans(config, runtime::context_impl(context)->features())) {
        if (seen.insert(runtime::context_impl(context)->loader().key_fields(plan).key().hex()).second) {
          kernels.push_back({.plan = plan, .preset = preset.name});
        }
      }
    }
  }
  return kernels;
}

/// Round by round, so that the samples of a kernel's minimum are spread over time: other users of the machine only ever
/// make a compile slower.
void time_presets(const Context& context, int rounds, bench::HostReport& report) {
  std::vector<Timed> kernels = kernels_of_presets(context);
  for (int round = 0; round < rounds; ++round) {
    for (Timed& kernel : kernels) {
      const double cpu_start = thread_cpu_seconds();
      const cache::Found found = runtime::context_impl(context)->loader().prepare(kernel.plan, /*recompile=*/round > 0);
      kernel.cpu_seconds = std::min(kernel.cpu_seconds, thread_cpu_seconds() - cpu_start);
      if (found.tier != cache::Tier::kCompiled) {
        throw Error(Status::kInternal, fmt::format("{} came from a cache", kernel.plan.spec.config_json()));
      }
      kernel.seconds = std::min(kernel.seconds, found.seconds);
      std::fprintf(stderr, "%s %.3f s  %s %s\n", context.arch().c_str(), found.seconds, kernel.preset.c_str(),
                   kernel.plan.spec.config_json().c_str());
    }
  }

  const std::string least = fmt::format(", least of {}", rounds);
  for (const Timed& kernel : kernels) {
    report.add(fmt::format("cold compile, {} {} {} (of {}){}", context.arch(), kernel.plan.spec.family,
                           kernel.plan.spec.config_json(), kernel.preset, least),
               kernel.seconds, "s");
  }
  const auto summarise = [&](const std::string& of, const std::string& kind, const std::vector<double>& values) {
    const std::string what = fmt::format("of {} {} for {}{}{}", values.size(), of, context.arch(), least, kind);
    report.add("cold compile, longest " + what, *std::max_element(values.begin(), values.end()), "s");
    report.add("cold compile, median " + what, bench::median(values), "s");
  };
  std::vector<double> seconds, cpu_seconds;
  std::map<std::string, std::vector<double>> of_family;
  for (const Timed& kernel : kernels) {
    seconds.push_back(kernel.seconds);
    cpu_seconds.push_back(kernel.cpu_seconds);
    of_family[kernel.plan.spec.family].push_back(kernel.seconds);
  }
  summarise("kernels", "", seconds);
  summarise("kernels", ", CPU time", cpu_seconds);
  for (const auto& [family, values] : of_family) summarise(family + " kernels", "", values);
}

}  // namespace
}  // namespace attnjit

int main(int argc, char** argv) try {
  CLI::App app("Times the compilation of every kernel of every preset, one at a time.");
  attnjit::bench::HostReport report(app, argc, argv);
  std::vector<std::string> archs{"sm_90a"};
  app.add_option("--arch", archs, "targets")->delimiter(',');
  int rounds = 5;
  app.add_option("--rounds", rounds, "times that each kernel is compiled")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  CLI11_PARSE(app, argc, argv);

  bool opened = false;
  for (const std::string& arch : archs) {
    attnjit::ContextOptions options;
    options.device = attnjit::ContextOptions::kNoDevice;
    options.arch = arch;
    options.cache_path = ":memory:";
    const attnjit::Context context(options);
    const double first = attnjit::open_compiler(context);
    if (!opened) report.add("opening NVRTC and compiling the smallest kernel, " + arch, first, "s");
    opened = true;
    attnjit::time_presets(context, rounds, report);
  }
  return report.write();
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
