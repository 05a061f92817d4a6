// What precompile-cache shows while it works: one bar that redraws itself on a terminal, a line per kernel
// elsewhere.
#pragma once

#include <chrono>
#include <cstdio>
#include <mutex>
#include <set>
#include <string>

#include "runtime/precompile.h"

namespace attnjit::tools {

/// "[=====>    ] 12/20  3.1 s, 2.1 s left", at most `columns` wide. The time left supposes that the kernels
/// to come take as long as those done took on average.
std::string progress_bar(int done, int total, double elapsed_seconds, int columns);

/// "[ 3/20] sm_90a sm80_mha_varlen: compiled in 0.42 s, 168 registers, ... {config}", or why it failed.
std::string report_line(const runtime::PrecompileProgress& progress);

/// Thread-safe.
class Progress {
 public:
  /// `out` is asked whether it is a terminal.
  explicit Progress(std::FILE* out);

  void show(const runtime::PrecompileProgress& progress);
  /// A line that does not tear the bar; the same text is written only once.
  void note(const std::string& text);
  /// Removes the bar.
  void finish();

 private:
  void write_line(const std::string& text);

  std::FILE* out_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;  // guards what follows
  std::string bar_;   // as it stands on the terminal
  std::set<std::string> noted_;
};

}  // namespace attnjit::tools
