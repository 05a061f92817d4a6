#include "tests/gpu/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>

#include "cache/key.h"
#include "runtime/context_impl.h"
#include "runtime/driver.h"
#include "tests/gpu/digests.h"
#include "tests/gpu/suite.h"

namespace attnjit::gpu_tests {
namespace {

/// Properties are text; those that are numbers become JSON numbers.
Json as_json(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (!text.empty() && *end == '\0') return number;
  return text;
}

std::string device_name(int ordinal) {
  const runtime::Driver& driver = runtime::Driver::get();
  CUdevice device = 0;
  driver.check(driver.cuDeviceGet(&device, ordinal), "cuDeviceGet");
  std::array<char, 256> name{};
  driver.check(driver.cuDeviceGetName(name.data(), name.size(), device), "cuDeviceGetName");
  return name.data();
}

/// The CUDA version of the driver, and the driver's own version where Linux shows it.
std::string driver_name() {
  const int version = runtime::Driver::get().version();
  std::string name = fmt::format("CUDA {}.{}", version / 1000, version % 1000 / 10);
  std::ifstream file("/sys/module/nvidia/version");
  std::string own;
  if (file >> own) name += fmt::format(", driver {}", own);
  return name;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(now));
}

}  // namespace

std::vector<Json> read_outside_results(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + " cannot be read");
  std::vector<Json> results;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) results.push_back(Json::parse(line));
  }
  return results;
}

void ResultCollector::OnTestEnd(const testing::TestInfo& test) {
  const testing::TestResult& result = *test.result();
  Json entry{{"name", fmt::format("{}.{}", test.test_suite_name(), test.name())},
             {"status", result.Skipped()  ? "skipped"
                        : result.Passed() ? "passed"
                                          : "failed"}};
  for (int i = 0; i < result.test_property_count(); ++i) {
    const testing::TestProperty& property = result.GetTestProperty(i);
    entry[property.key()] = as_json(property.value());
  }
  results_.push_back(std::move(entry));
}

Json make_report(Suite& suite, const std::vector<Json>& results, std::uint64_t seed) {
  std::map<std::string, std::string> status;
  for (const Json& result : results) status[result["name"]] = result["status"];

  runtime::KernelLoader& loader = runtime::context_impl(suite.context())->loader();
  std::set<std::string> compilers;
  std::map<std::string, std::set<std::string>> tests_of_family;
  Json kernels = Json::array();
  for (const KernelRun& run : suite.kernels_run()) {
    const cache::Found found = loader.prepare(run.plan);
    const auto& image = found.entry->image;
    compilers.insert(fmt::format("{}.{}", found.entry->compiler.major, found.entry->compiler.minor));
    tests_of_family[run.plan.spec.family].insert(run.tests.begin(), run.tests.end());
    kernels.push_back(
        {{"family", run.plan.spec.family},
         {"target", found.entry->fields.target},
         {"cubin_sha256", cache::sha256({reinterpret_cast<const char*>(image.data()), image.size()}).hex()},
         {"config", Json::parse(run.plan.spec.config_json())}});
  }
  if (compilers.size() > 1) {
    throw std::runtime_error("the cache holds kernels of several NVRTC versions; fill an empty one with --warm");
  }

  Json families = Json::object();
  for (const auto& [family, tests] : tests_of_family) {
    int failures = 0;
    for (const std::string& test : tests) failures += status[test] == "passed" ? 0 : 1;
    families[family] = {
        {"status", "run"}, {"tests", tests.size()}, {"failures", failures}, {"source_digest", source_digest(family)}};
  }
  return {{"device", device_name(suite.options().device)},
          {"driver", driver_name()},
          {"nvrtc", compilers.empty() ? Json() : Json(*compilers.begin())},
          {"date", today()},
          {"seed", seed},
          {"families", families},
          {"kernels", kernels},
          {"tests", results}};
}

}  // namespace attnjit::gpu_tests
