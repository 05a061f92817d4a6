// Rows of a host benchmark, {what, value, unit, command, commit, date} as in bench/results/host/*.json, and the options
// that all host benchmarks share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace attnjit::bench {

class HostReport {
 public:
  /// Adds --commit, --date and --out to the program's options; the command line becomes each row's `command`.
  HostReport(CLI::App& app, int argc, char** argv);

  void add(std::string what, double value, std::string unit);
  /// Prints the rows as a JSON list, to --out or to standard output. Returns an exit status.
  int write() const;

 private:
  struct Row {
    std::string what;
    double value;
    std::string unit;
  };
  std::string command_;
  std::string commit_ = "unknown";
  std::string date_;
  std::string out_;
  std::vector<Row> rows_;
};

double median(std::vector<double> values);

/// A folder that is removed with its contents.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace attnjit::bench
