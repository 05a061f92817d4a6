// Tables of mla_decode's test cases, and from them the closed list of kernels that the suite runs for it.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/kernel_plan.h"
#include "verify/mla_decode/case.h"
#include "verify/tested_operators.h"

namespace attnjit::gpu_tests {

/// At most 40: each is compiled, for up to three tiles. Random cases draw from these.
const std::vector<MlaDecodeConfig>& decode_configs();
/// The one in decode_configs() with these fields; throws std::logic_error if there is none.
MlaDecodeConfig decode_config(int kv_lora_rank, int rope_dim, DType dtype, CacheFormat format, int page_size,
                              bool causal, bool e4m3_output = false);

std::vector<DecodeCase> decode_correctness_cases();
std::vector<DecodeCase> decode_corner_cases();
std::vector<DecodeCase> decode_performance_cases();
/// For compute-sanitizer: every path of the kernels with as little work as possible.
std::vector<DecodeCase> decode_small_cases();

inline constexpr int kRandomDecodeCases = 320;
/// Each config appears with a head count for each tile, for every seed; several queries may need a larger one.
std::vector<DecodeCase> random_decode_cases(std::uint64_t seed);
/// All tables except the random cases: the same for every seed.
std::vector<DecodeCase> decode_fixed_cases();

/// For the table of operators.
std::vector<runtime::KernelPlan> mla_decode_kernels(const runtime::SmFeatures& own);
std::vector<CompileCase> mla_decode_compile_cases();

}  // namespace attnjit::gpu_tests
