// attnjit_gpu_tests: runs kernels on a GPU that were compiled earlier, perhaps on another machine. See docs/testing.md.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "attnjit/error.hpp"
#include "runtime/context_impl.h"
#include "tests/gpu/options.h"
#include "tests/gpu/recording.h"
#include "tests/gpu/report.h"
#include "tests/gpu/suite.h"
#include "verify/tested_operators.h"

namespace attnjit::gpu_tests {
namespace {

int list_kernels(const CommandLine& line) {
  const auto kernels = suite_kernels(runtime::sm_features(jit::Target::parse(line.arch)));
  for (const runtime::KernelPlan& plan : kernels) {
    fmt::print("{} {} {}\n", plan.spec.family, line.arch, plan.spec.config_json());
  }
  fmt::print("{} kernels of {} operators\n", kernels.size(), tested_operators().size());
  return 0;
}

int warm(const CommandLine& line) {
  const WarmResult result = warm_cache(line.warm_path, line.arch, line.jobs);
  fmt::print("{}: {} kernels for {}, {} of them compiled now, {:.1f} s\n", line.warm_path, result.kernels, line.arch,
             result.compiled, result.seconds);
  return 0;
}

/// A report covers the whole suite, never a part of it.
void require_whole_suite(const CommandLine& line) {
  if (line.report_path.empty()) return;
  if (line.small || testing::GTEST_FLAG(filter) != "*" || testing::GTEST_FLAG(repeat) != 1) {
    throw std::invalid_argument("--report is for a run of the whole suite: without --small, filter and repeat");
  }
  if (line.launches_path.empty()) throw std::invalid_argument("--report needs --launches");
  read_recording(line.launches_path);  // fails now rather than after the run if it is from another build
}

int run(const CommandLine& line) {
  try {
    set_suite(std::make_unique<Suite>(
        SuiteOptions{.cache_path = line.cache_path, .device = line.device, .require_cached = line.require_cached}));
  } catch (const Error& error) {
    if (error.status() != Status::kNoDriver) throw;
    fmt::print(stderr, "no GPU: {}\n", error.what());
    return line.allow_no_gpu ? 0 : 1;
  }
  if (runtime::context_impl(suite().context())->loader().templates().overridden()) {
    throw std::invalid_argument("ATTNJIT_TEMPLATE_DIR is set: the suite judges the library's own templates");
  }
  fmt::print("kernels for {}, seed {} (--seed {} repeats it)\n", suite().context().arch(), line.seed, line.seed);
  if (line.small) testing::GTEST_FLAG(filter) = "Small/*";

  auto* const collector = new ResultCollector;
  testing::UnitTest::GetInstance()->listeners().Append(collector);  // takes ownership
  int status = RUN_ALL_TESTS();

  if (const std::string failure = suite().check_cached(); !failure.empty()) {
    fmt::print(stderr, "{}\n", failure);
    status = 1;
  }
  if (!line.report_path.empty()) {
    std::vector<Json> results = collector->results();
    if (!line.outside_path.empty()) {
      for (Json& result : read_outside_results(line.outside_path)) results.push_back(std::move(result));
    }
    Json report = make_report(suite(), results, line.seed);
    add_recording(report, read_recording(line.launches_path));
    write_report(line.report_path, report);
    fmt::print("wrote {}\n", line.report_path);
  }
  set_suite(nullptr);
  return status;
}

int run_main(int argc, char** argv) {
  const CommandLine line = parse_command_line(argc, argv);
  switch (line.mode) {
    case CommandLine::Mode::kHelp: fmt::print("{}", kUsage); return 0;
    case CommandLine::Mode::kListKernels: return list_kernels(line);
    case CommandLine::Mode::kWarm: return warm(line);
    case CommandLine::Mode::kRun: break;
  }
  set_suite_seed(line.seed);
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  require_whole_suite(line);
  return run(line);
}

}  // namespace
}  // namespace attnjit::gpu_tests

int main(int argc, char** argv) {
  try {
    return attnjit::gpu_tests::run_main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "attnjit_gpu_tests: {}\n", error.what());
    return 2;
  }
}
