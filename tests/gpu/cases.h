// The tables of test cases, and from them the closed list of kernels that the suite runs.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/kernel_plan.h"
#include "tests/gpu/case.h"

namespace attnjit::gpu_tests {

/// Every config of the suite: at most 40, since each is compiled (once or twice, by tile). Random cases draw from
/// these.
const std::vector<MhaVarlenConfig>& suite_configs();
/// The config of suite_configs() with these fields; throws std::logic_error when there is none.
MhaVarlenConfig suite_config(int head_dim_qk, int head_dim_v, int rope_dim, DType dtype, bool causal,
                             bool e4m3_output = false);

std::vector<Case> correctness_cases();
std::vector<Case> corner_cases();
std::vector<Case> performance_cases();
/// For compute-sanitizer: every path of the kernels in as little work as possible.
std::vector<Case> small_cases();

inline constexpr std::uint64_t kDefaultSeed = 20261120;
inline constexpr int kRandomCases = 320;
/// Each config comes up with large and with small tiles, whatever the seed.
std::vector<Case> random_cases(std::uint64_t seed);

/// Every operator that a test of the suite makes.
std::vector<OperatorUse> suite_operators();
/// Every kernel of those operators, each once, on an SM with these features.
std::vector<runtime::KernelPlan> suite_kernels(const runtime::SmFeatures& own);

}  // namespace attnjit::gpu_tests
