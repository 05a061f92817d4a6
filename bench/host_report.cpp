#include "bench/host_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

namespace attnjit::bench {
namespace {

/// Four significant digits: more than these timings are reproducible to.
double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double scale = std::pow(10.0, 3 - static_cast<int>(std::floor(std::log10(std::abs(value)))));
  return std::round(value * scale) / scale;
}

}  // namespace

HostReport::HostReport(CLI::App& app, int argc, char** argv)
    : date_(fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)))) {
  for (int i = 0; i < argc; ++i) command_ += (i == 0 ? "" : " ") + std::string(argv[i]);
  app.add_option("--commit", commit_, "commit of the sources, kept with each row");
  app.add_option("--date", date_, "date kept with each row (default: today, UTC)");
  app.add_option("--out", out_, "file for the rows (default: standard output)");
}

void HostReport::add(std::string what, double value, std::string unit) {
  rows_.push_back({std::move(what), value, std::move(unit)});
}

int HostReport::write() const {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Row& row : rows_) {
    list.push_back({{"what", row.what},
                    {"value", rounded(row.value)},
                    {"unit", row.unit},
                    {"command", command_},
                    {"commit", commit_},
                    {"date", date_}});
  }
  const std::string text = list.dump(1) + "\n";
  if (out_.empty()) {
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  std::ofstream file(out_);
  file << text;
  file.close();
  if (file) return 0;
  std::fprintf(stderr, "could not write %s\n", out_.c_str());
  return 1;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

TemporaryFolder::TemporaryFolder() : path_(std::filesystem::temp_directory_path() / "attnjit-bench-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // files left in the temporary folder are no reason to lose the figures
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace attnjit::bench
