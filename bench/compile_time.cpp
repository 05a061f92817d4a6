// How long each kernel of each preset takes to compile: one at a time, nothing cached, no GPU needed. CPU time is
// reported beside wall time: NVRTC compiles on the calling thread, so on an idle machine they agree, on a busy one they
// do not.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <set>
#include <string>
#include <vector>

#include "attnjit/error.hpp"
#include "bench/host_report.h"
#include "runtime/context_impl.h"
#include "runtime/presets.h"

namespace attnjit {
namespace {

/// Opening libnvrtc and the first compile of a process cost some 150 ms more. They are paid once, by a kernel that is
/// no preset's, and reported apart.
double open_compiler(const Context& context) {
  const MhaVarlenConfig smallest{.head_dim_qk = 16,
                                 .head_dim_v = 16,
                                 .rope_dim = 0,
                                 .dtype = DType::kBFloat16,
                                 .causal = false,
                                 .out_dtype = DType::kBFloat16};
  const runtime::KernelPlan plan = runtime::plans(smallest, context.impl()->features()).front();
  return context.impl()->loader().prepare(plan).seconds;
}

double thread_cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void time_presets(const Context& context, bench::HostReport& report) {
  runtime::KernelLoader& loader = context.impl()->loader();
  std::set<std::string> done;  // presets share kernels
  std::vector<double> seconds;
  std::vector<double> cpu_seconds;
  for (const runtime::Preset& preset : runtime::presets()) {
    for (const runtime::OperatorConfig& config : preset.operators) {
      for (const runtime::KernelPlan& plan : runtime::plans(config, context.impl()->features())) {
        if (!done.insert(loader.key_fields(plan).key().hex()).second) continue;
        const double cpu_start = thread_cpu_seconds();
        const cache::Found found = loader.prepare(plan);
        cpu_seconds.push_back(thread_cpu_seconds() - cpu_start);
        if (found.tier != cache::Tier::kCompiled) {
          throw Error(Status::kInternal, fmt::format("{} came from a cache", plan.spec.config_json()));
        }
        seconds.push_back(found.seconds);
        std::fprintf(stderr, "%s %.3f s (CPU %.3f s)  %s %s\n", context.arch().c_str(), found.seconds,
                     cpu_seconds.back(), preset.name.c_str(), plan.spec.config_json().c_str());
        report.add(fmt::format("cold compile, {} {} {} (of {})", context.arch(), plan.spec.family,
                               plan.spec.config_json(), preset.name),
                   found.seconds, "s");
      }
    }
  }
  const std::string of = fmt::format("of {} kernels for {}", seconds.size(), context.arch());
  const auto summarise = [&](const std::string& kind, const std::vector<double>& values) {
    report.add("cold compile, longest " + of + kind, *std::max_element(values.begin(), values.end()), "s");
    report.add("cold compile, median " + of + kind, bench::median(values), "s");
  };
  summarise("", seconds);
  summarise(", CPU time", cpu_seconds);
}

}  // namespace
}  // namespace attnjit

int main(int argc, char** argv) try {
  CLI::App app("Times the compilation of every kernel of every preset, one at a time.");
  attnjit::bench::HostReport report(app, argc, argv);
  std::vector<std::string> archs{"sm_90a"};
  app.add_option("--arch", archs, "targets")->delimiter(',');
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
    attnjit::time_presets(context, report);
  }
  return report.write();
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
