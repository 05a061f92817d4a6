// What tests of a whole process share: a Context without a device, and an operator that compiles in a tenth of a
// second.
#pragma once

#include <gtest/gtest.h>

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

}  // namespace attnjit::process
