// The tables of test cases of mha_varlen, and from them the closed list of kernels that the suite runs.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/kernel_plan.h"
#include "tests/gpu/case.h"
#include "tests/gpu/operators.h"

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

inline constexpr int kRandomCases = 320;
/// Each config comes up with large and with small tiles, whatever the seed.
std::vector<Case> random_cases(std::uint64_t seed);
/// All tables but the random cases: the same whatever the seed.
std::vector<Case> fixed_cases();

// ---- the operator's row in the table of operators.h

std::vector<runtime::KernelPlan> mha_varlen_kernels(const runtime::SmFeatures& own);
/// For SM 9.0, where the kernels are run, a config of each dims; for the others those with the widest rows, the most
/// registers and the integer conversion to e4m3.
std::vector<CompileCase> mha_varlen_compile_cases();

}  // namespace attnjit::gpu_tests
