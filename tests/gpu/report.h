// Turns the results of the tests into the report of report_file.h.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/gpu/report_file.h"

namespace attnjit::gpu_tests {

class Suite;

/// Collects the results of this program's tests as they end.
class ResultCollector : public testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const testing::TestInfo& test) override;
  const std::vector<Json>& results() const { return results_; }

 private:
  std::vector<Json> results_;
};

/// Results of tests that ran outside this program (compute-sanitizer, PyTorch): one JSON object per line, each an entry
/// of "tests".
std::vector<Json> read_outside_results(const std::string& path);

/// The report of a complete run.
Json make_report(Suite& suite, const std::vector<Json>& results, std::uint64_t seed);

}  // namespace attnjit::gpu_tests
