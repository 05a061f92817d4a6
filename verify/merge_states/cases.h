// Tables of test cases for merge_states, and from them the closed list of kernels that the suite runs.
#pragma once

#include <cstdint>
#include <vector>

#include "verify/merge_states/case.h"
#include "verify/tested_operators.h"

namespace attnjit::gpu_tests {

/// Every config of the suite: at most 40. Random cases draw from these.
const std::vector<MergeStatesConfig>& merge_configs();
/// The config in merge_configs() with these fields; throws std::logic_error if there is none.
MergeStatesConfig merge_config(int head_dim, DType dtype, DType out_dtype);

std::vector<MergeCase> merge_correctness_cases();
std::vector<MergeCase> merge_corner_cases();
std::vector<MergeCase> merge_performance_cases();
/// For compute-sanitizer.
std::vector<MergeCase> merge_small_cases();
inline constexpr int kRandomMergeCases = 320;
std::vector<MergeCase> merge_random_cases(std::uint64_t seed);
/// All tables except the random cases: the same for every seed.
std::vector<MergeCase> merge_fixed_cases();

// ---- the operator's row in the table of verify/tested_operators.cpp

std::vector<runtime::KernelPlan> merge_states_kernels(const runtime::SmFeatures& own);
std::vector<CompileCase> merge_states_compile_cases();

}  // namespace attnjit::gpu_tests
