// Shared by the tests of a whole process: a Context without a device, and an operator that compiles in a tenth of a
// second.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "attnjit/attnjit.hpp"
#include "tests/cache/support.h"

namespace attnjit::process {

using cache::run_child;
using cache::Signal;
using cache::start_child;
using cache::TemporaryDirectory;
using cache::wait_for;

inline MhaVarlenConfig small_config(bool causal = true) {
  return {
      .head_dim_qk = 16, .head_dim_v = 16, .rope_dim = 0, .dtype = DType::kBFloat16, .causal = causal, .out_dtype = {}};
}

inline ContextOptions compile_only(const std::string& cache_path = ":memory:") {
  ContextOptions options;
  options.device = ContextOptions::kNoDevice;
  options.arch = "sm_80";
  options.cache_path = cache_path;
  return options;
}

/// The NVRTC of endless_nvrtc.c, installed in a folder, and the signal that a compile is inside.
class EndlessNvrtc {
 public:
  EndlessNvrtc() {
    std::filesystem::copy_file(ENDLESS_NVRTC, folder_ / "libnvrtc.so.13");
    std::filesystem::copy_file(ENDLESS_NVRTC, folder_ / "libnvrtc-builtins.so.13.1");
    setenv("ATTNJIT_TEST_NVRTC_INSIDE", std::to_string(inside_.giving_end()).c_str(), 1);
  }
  std::string path() const { return folder_ / "libnvrtc.so.13"; }
  void wait_until_inside() { inside_.take(); }

 private:
  TemporaryDirectory folder_;
  Signal inside_;
};

}  // namespace attnjit::process
