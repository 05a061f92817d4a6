#include "verify/tested_operators.h"

#include <set>

#include "operators/check_indices.h"
#include "verify/launched.h"
#include "verify/masked_mha/cases.h"
#include "verify/merge_states/cases.h"
#include "verify/mha_varlen/cases.h"
#include "verify/mla_decode/cases.h"

namespace attnjit::gpu_tests {
namespace {

std::vector<runtime::KernelPlan> check_kernels(const runtime::SmFeatures&) { return {runtime::check_indices_plan()}; }

std::vector<CompileCase> check_compile_cases() {
  std::vector<CompileCase> cases;
  for (const char* target : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100f", "sm_120f"}) {
    cases.push_back({target, "check_indices", check_kernels});
  }
  return cases;
}

}  // namespace

const std::vector<TestedOperator>& tested_operators() {
  static const std::vector<TestedOperator> operators{
      {"mha_varlen",
       {"sm90_mha_varlen", "sm80_mha_varlen"},
       mha_varlen_kernels,
       mha_varlen_launched,
       mha_varlen_compile_cases},
      {"mla_decode",
       {"sm80_mla_decode", "sm80_mla_combine"},
       mla_decode_kernels,
       mla_decode_launched,
       mla_decode_compile_cases},
      {"masked_mha",
       {"sm90_mha_varlen", "sm80_mha_varlen", "mask_from_topk"},
       masked_mha_kernels,
       masked_mha_launched,
       masked_mha_compile_cases},
      {"debug mode", {"check_indices"}, check_kernels, check_kernels, check_compile_cases},
      {"merge_states", {"merge_states"}, merge_states_kernels, merge_states_launched, merge_states_compile_cases},
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
