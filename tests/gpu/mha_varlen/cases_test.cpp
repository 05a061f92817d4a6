// mha_varlen against the float64 reference: the tables of cases.h.
#include <gtest/gtest.h>

#include <string>

#include "tests/gpu/mha_varlen/run_case.h"
#include "tests/gpu/suite.h"
#include "verify/mha_varlen/cases.h"

namespace attnjit::gpu_tests {
namespace {

class MhaVarlenOnGpu : public testing::TestWithParam<Case> {};

TEST_P(MhaVarlenOnGpu, MatchesTheReference) { run_and_judge(GetParam()); }

std::string name_of(const testing::TestParamInfo<Case>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Correctness, MhaVarlenOnGpu, testing::ValuesIn(correctness_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(CorrectnessRandom, MhaVarlenOnGpu, testing::ValuesIn(random_cases(suite_seed())), name_of);
INSTANTIATE_TEST_SUITE_P(Corner, MhaVarlenOnGpu, testing::ValuesIn(corner_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(PerformanceShapes, MhaVarlenOnGpu, testing::ValuesIn(performance_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Small, MhaVarlenOnGpu, testing::ValuesIn(small_cases()), name_of);

}  // namespace
}  // namespace attnjit::gpu_tests
