// Tables of test cases for masked_mha and mask_from_topk, and the list of kernels that the suite runs for them.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/kernel_plan.h"
#include "verify/masked_mha/case.h"
#include "verify/tested_operators.h"

namespace attnjit::gpu_tests {

/// A subset of suite_configs() that random cases draw from.
const std::vector<MhaVarlenConfig>& masked_suite_configs();

std::vector<MaskedCase> masked_correctness_cases();
std::vector<MaskedCase> masked_corner_cases();
std::vector<MaskedCase> masked_performance_cases();
/// For compute-sanitizer: every path of the kernels with as little work as possible.
std::vector<MaskedCase> masked_small_cases();
std::vector<MaskedCase> masked_random_cases(std::uint64_t seed);
/// All tables except the random cases: the same for every seed.
std::vector<MaskedCase> masked_fixed_cases();
/// Cases in which only the mask is built and checked.
std::vector<MaskedCase> mask_cases();

// ---- the operators' rows in the table of verify/tested_operators.cpp

std::vector<runtime::KernelPlan> masked_mha_kernels(const runtime::SmFeatures& own);
std::vector<CompileCase> masked_mha_compile_cases();

}  // namespace attnjit::gpu_tests
