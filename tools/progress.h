// Progress output of precompile-cache: a self-redrawing bar on a terminal, a line per kernel elsewhere.
#pragma once

#include <chrono>
#include <cstdio>
#include <mutex>
#include <set>
#include <string>

#include "operators/precompile.h"

namespace attnjit::tools {

/// "[=====>    ] 12/20  3.1 s, 2.1 s left", at most `columns` wide. The remaining time assumes that the remaining
/// kernels take as long as the finished ones did on average.
std::string progress_bar(int done, int total, double elapsed_seconds, int columns);

/// "[ 3/20] sm_90a sm80_mha_varlen: compiled in 0.42 s, 168 registers, ... {config}", or why it failed.
std::string report_line(const runtime::PrecompileProgress& progress);

/// Thread-safe.
class Progress {
 public:
  /// `out` is checked for being a terminal.
  explicit Progress(std::FILE* out);

  void show(const runtime::PrecompileProgress& progress);
  /// Prints a line without breaking the bar; repeated text is printed only once.
  void note(const std::string& text);
  /// Removes the bar.
  void finish();

 private:
  void write_line(const std::string& text);

  std::FILE* out_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;  // guards the members below
  std::string bar_;   // as shown on the terminal
  std::set<std::string> noted_;
};

}  // namespace attnjit::tools
