#include "tests/gpu/operators.h"

#include <set>

#include "tests/gpu/cases.h"
#include "tests/gpu/decode_cases.h"
#include "tests/gpu/masked_cases.h"
#include "tests/gpu/merge_cases.h"

namespace attnjit::gpu_tests {

const std::vector<TestedOperator>& tested_operators() {
  static const std::vector<TestedOperator> operators{
      {"mha_varlen",
       {{"sm80_mha_varlen",
         {"runtime/kernels/sm80_mha_varlen.cpp", "runtime/mha_varlen_call.cpp", "runtime/mha_varlen.cpp"}}},
       mha_varlen_kernels,
       mha_varlen_compile_cases},
      {"mla_decode",
       {{"sm80_mla_decode",
         {"runtime/kernels/sm80_mla_decode.cpp", "runtime/mla_decode_call.cpp", "runtime/mla_decode.cpp"}},
        {"sm80_mla_combine",
         {"runtime/kernels/sm80_mla_decode.cpp", "runtime/mla_decode_call.cpp", "runtime/mla_decode.cpp"}}},
       mla_decode_kernels,
       mla_decode_compile_cases},
      {"masked_mha",
       {{"sm80_mha_varlen",
         {"runtime/kernels/sm80_mha_varlen.cpp", "runtime/mha_varlen_call.cpp", "runtime/mha_varlen.cpp",
          "runtime/masked_mha_call.cpp", "runtime/masked_mha.cpp"}},
        {"mask_from_topk",
         {"runtime/kernels/mask_from_topk.cpp", "runtime/mask_from_topk_call.cpp", "runtime/mask_from_topk.cpp",
          "runtime/masked_mha_call.cpp", "runtime/masked_mha.cpp"}}},
       masked_mha_kernels,
       masked_mha_compile_cases},
      {"merge_states",
       {{"merge_states",
         {"runtime/kernels/merge_states.cpp", "runtime/merge_states_call.cpp", "runtime/merge_states.cpp"}}},
       merge_states_kernels,
       merge_states_compile_cases},
  };
  return operators;
}

std::vector<runtime::KernelPlan> suite_kernels(const runtime::SmFeatures& own) {
  std::vector<runtime::KernelPlan> kernels;
  std::set<std::string> seen;
  for (const TestedOperator& tested : tested_operators()) {
    for (runtime::KernelPlan& plan : tested.kernels(own)) {
      if (seen.insert(plan.spec.family + plan.spec.config_json()).second) kernels.push_back(std::move(plan));
    }
  }
  return kernels;
}

}  // namespace attnjit::gpu_tests
