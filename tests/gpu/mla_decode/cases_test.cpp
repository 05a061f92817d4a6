// mla_decode against the float64 reference: the tables of decode_cases.h.
#include <gtest/gtest.h>

#include <string>

#include "tests/gpu/mla_decode/run_case.h"
#include "tests/gpu/suite.h"
#include "verify/mla_decode/cases.h"

namespace attnjit::gpu_tests {
namespace {

class MlaDecodeOnGpu : public testing::TestWithParam<DecodeCase> {};

TEST_P(MlaDecodeOnGpu, MatchesTheReference) { run_and_judge(GetParam()); }

std::string name_of(const testing::TestParamInfo<DecodeCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Correctness, MlaDecodeOnGpu, testing::ValuesIn(decode_correctness_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(CorrectnessRandom, MlaDecodeOnGpu, testing::ValuesIn(random_decode_cases(suite_seed())),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Corner, MlaDecodeOnGpu, testing::ValuesIn(decode_corner_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(PerformanceShapes, MlaDecodeOnGpu, testing::ValuesIn(decode_performance_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Small, MlaDecodeOnGpu, testing::ValuesIn(decode_small_cases()), name_of);

}  // namespace
}  // namespace attnjit::gpu_tests
