#include "tests/gpu/options.h"

#include <fmt/format.h>

#include <charconv>
#include <stdexcept>
#include <string_view>

namespace attnjit::gpu_tests {

const char* const kUsage = R"(attnjit_gpu_tests: the kernels on a GPU, against a float64 reference

  --cache DIR         the cache to take kernels from (default: the library's own)
  --require-cached    fail if a kernel had to be compiled
  --report FILE       write the report of the whole run, for tests/gpu/report.json
  --launches FILE     what attnjit_record_launches of the same build wrote, which a report has to have
  --outside FILE      results of tests outside this program for the report, one JSON object a line
  --seed N            of the random cases
  --small             only the small cases, for compute-sanitizer
  --device N          CUDA device (default 0)
  --allow-no-gpu      succeed where there is no GPU
  --gtest_...         as of any GoogleTest program

Without a GPU:
  --warm DIR          compile every kernel of the suite into the cache DIR
  --list-kernels      print them
  --arch sm_90a       for this target
  --jobs N            compile with N threads (default 2)
)";

namespace {

std::uint64_t number(std::string_view name, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument(fmt::format("{} {}: a number is wanted", name, text));
  }
  return value;
}

}  // namespace

CommandLine parse_command_line(int& argc, char** argv) {
  using Mode = CommandLine::Mode;
  CommandLine line;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == argc) throw std::invalid_argument(fmt::format("{} wants a value", argument));
      return argv[++i];
    };
    if (argument.starts_with("--gtest_")) {
      argv[kept++] = argv[i];
    } else if (argument == "--help" || argument == "-h") {
      line.mode = Mode::kHelp;
    } else if (argument == "--list-kernels") {
      line.mode = Mode::kListKernels;
    } else if (argument == "--warm") {
      line.mode = Mode::kWarm;
      line.warm_path = value();
    } else if (argument == "--arch") {
      line.arch = value();
    } else if (argument == "--jobs") {
      line.jobs = static_cast<int>(number(argument, value()));
    } else if (argument == "--cache") {
      line.cache_path = value();
    } else if (argument == "--require-cached") {
      line.require_cached = true;
    } else if (argument == "--allow-no-gpu") {
      line.allow_no_gpu = true;
    } else if (argument == "--small") {
      line.small = true;
    } else if (argument == "--device") {
      line.device = static_cast<int>(number(argument, value()));
    } else if (argument == "--seed") {
      line.seed = number(argument, value());
    } else if (argument == "--report") {
      line.report_path = value();
    } else if (argument == "--launches") {
      line.launches_path = value();
    } else if (argument == "--outside") {
      line.outside_path = value();
    } else {
      throw std::invalid_argument(fmt::format("unknown argument {}; see --help", argument));
    }
  }
  argc = kept;
  return line;
}

}  // namespace attnjit::gpu_tests
