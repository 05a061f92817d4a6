// Tables of test cases for mha_varlen, and from them the closed list of kernels that the suite runs.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/kernel_plan.h"
#include "verify/mha_varlen/case.h"
#include "verify/tested_operators.h"

namespace attnjit::gpu_tests {

/// Every config of the suite: at most 40, since each is compiled (once or twice, by tile). Random cases draw from
/// these.
const std::vector<MhaVarlenConfig>& suite_configs();
/// The config in suite_configs() with these fields; throws std::logic_error if there is none.
MhaVarlenConfig suite_config(int head_dim_qk, int head_dim_v, int rope_dim, DType dtype, bool causal,
                             bool e4m3_output = false);

std::vector<Case> correctness_cases();
std::vector<Case> corner_cases();
std::vector<Case> performance_cases();
/// For compute-sanitizer: every path of the kernels with as little work as possible.
std::vector<Case> small_cases();

inline constexpr int kRandomCases = 320;
/// Each config appears with large and with small tiles, for every seed.
std::vector<Case> random_cases(std::uint64_t seed);
/// All tables except the random cases: the same for every seed.
std::vector<Case> fixed_cases();

// ---- the operator's row in the table of verify/tested_operators.cpp

std::vector<runtime::KernelPlan> mha_varlen_kernels(const runtime::SmFeatures& own);
/// For SM 9.0, where the kernels are run: one config per dims. For others: those with the widest rows, the most
/// registers and the integer conversion to e4m3.
std::vector<CompileCase> mha_varlen_compile_cases();

}  // namespace attnjit::gpu_tests
