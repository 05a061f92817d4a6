// The operators that the GPU suite runs, a row each. From the table follow the kernels that --warm compiles, what the
// report has to vouch for, and what is compiled without a GPU.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/kernel_plan.h"
#include "runtime/sm_features.h"

namespace attnjit::gpu_tests {

/// Something that is compiled for a target although no GPU is at hand.
struct CompileCase {
  std::string target;  // "sm_80"
  std::string name;    // unique among the cases of its target
  std::function<std::vector<runtime::KernelPlan>(const runtime::SmFeatures&)> plans;
};

struct TestedOperator {
  const char* name;
  std::vector<const char*> families;  // kernel families that it launches: names of templates, "sm80_mha_varlen"
  /// Every kernel that its tests run on an SM with these features; may repeat itself.
  std::vector<runtime::KernelPlan> (*kernels)(const runtime::SmFeatures& own);
  /// Those of them that its tests launch whatever the seed; may repeat itself.
  std::vector<runtime::KernelPlan> (*launched)(const runtime::SmFeatures& own);
  std::vector<CompileCase> (*compile_cases)();
};

const std::vector<TestedOperator>& tested_operators();

/// Every kernel of the suite, each once.
std::vector<runtime::KernelPlan> suite_kernels(const runtime::SmFeatures& own);

}  // namespace attnjit::gpu_tests
