// The command line of attnjit_gpu_tests.
#pragma once

#include <cstdint>
#include <string>

#include "verify/dice.h"

namespace attnjit::gpu_tests {

struct CommandLine {
  enum class Mode { kRun, kHelp, kListKernels, kWarm };
  Mode mode = Mode::kRun;
  std::string warm_path;        // for --warm
  std::string arch = "sm_90a";  // for --warm and --list-kernels
  int jobs = 2;                 // for --warm
  std::string cache_path;       // empty: the library's default
  bool require_cached = false;
  bool allow_no_gpu = false;
  bool small = false;
  int device = 0;
  std::uint64_t seed = kDefaultSeed;
  std::string report_path;
  std::string outside_path;
  std::string launches_path;
};

extern const char* const kUsage;

/// Takes its own arguments out of argv and leaves those of GoogleTest (--gtest_*). Throws std::invalid_argument that
/// names the argument.
CommandLine parse_command_line(int& argc, char** argv);

}  // namespace attnjit::gpu_tests
