// The tables of test cases of masked_mha and mask_from_topk, and from them the kernels that the suite runs.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/kernel_plan.h"
#include "tests/gpu/masked_case.h"
#include "tests/gpu/operators.h"

namespace attnjit::gpu_tests {

/// Some of suite_configs(), which random cases draw from.
const std::vector<MhaVarlenConfig>& masked_suite_configs();

std::vector<MaskedCase> masked_correctness_cases();
std::vector<MaskedCase> masked_corner_cases();
std::vector<MaskedCase> masked_performance_cases();
/// For compute-sanitizer: every path of the kernels in as little work as possible.
std::vector<MaskedCase> masked_small_cases();
std::vector<MaskedCase> masked_random_cases(std::uint64_t seed);
/// All tables but the random cases: the same whatever the seed.
std::vector<MaskedCase> masked_fixed_cases();
/// Whose mask alone is made and checked.
std::vector<MaskedCase> mask_cases();

// ---- the operators' rows in the table of operators.h

std::vector<runtime::KernelPlan> masked_mha_kernels(const runtime::SmFeatures& own);
std::vector<CompileCase> masked_mha_compile_cases();

}  // namespace attnjit::gpu_tests
