// The operators of the GPU suite, one row each. The table determines which kernels --warm compiles, what the report
// must vouch for, and what is compiled without a GPU.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/kernel_plan.h"
#include "runtime/sm_features.h"

namespace attnjit::gpu_tests {

/// Something compiled for a target without a GPU at hand.
struct CompileCase {
  std::string target;  // "sm_80"
  std::string name;    // unique among the cases of its target
  std::function<std::vector<runtime::KernelPlan>(const runtime::SmFeatures&)> plans;
};

struct TestedOperator {
  const char* name;
  std::vector<const char*> families;  // names of the templates of the kernel families it launches, "sm80_mha_varlen"
  /// Every kernel that its tests run on an SM with these features; may contain duplicates.
  std::vector<runtime::KernelPlan> (*kernels)(const runtime::SmFeatures& own);
  /// The subset its tests launch whatever the seed; may contain duplicates.
  std::vector<runtime::KernelPlan> (*launched)(const runtime::SmFeatures& own);
  std::vector<CompileCase> (*compile_cases)();
};

const std::vector<TestedOperator>& tested_operators();

/// Every kernel of the suite, each once.
std::vector<runtime::KernelPlan> suite_kernels(const runtime::SmFeatures& own);

}  // namespace attnjit::gpu_tests
