// merge_states against the float64 reference: the tables of merge_cases.h; also replayed from a graph.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/gpu/merge_states/tested.h"
#include "tests/gpu/suite.h"
#include "verify/merge_states/cases.h"
#include "verify/merge_states/tensors.h"

namespace attnjit::gpu_tests {
namespace {

void judge_and_record(const MergeCase& c, const reference::Expected& expected, const MergeOutput& output) {
  const MergeVerdict verdict = judge(c, expected, output);
  EXPECT_EQ(verdict.trouble(output), "");
  testing::Test::RecordProperty("error", fmt::format("{:.4g}", verdict.out.error));
  testing::Test::RecordProperty("allowed", fmt::format("{:.4g}", verdict.out.allowed));
  testing::Test::RecordProperty("yardstick_error", fmt::format("{:.4g}", verdict.out.yardstick_error));
  if (verdict.has_lse) testing::Test::RecordProperty("lse_error_of_allowed", fmt::format("{:.4g}", verdict.lse.error));
}

class MergeStatesOnGpu : public testing::TestWithParam<MergeCase> {};

TEST_P(MergeStatesOnGpu, MatchesTheReference) {
  const MergeCase& c = GetParam();
  SCOPED_TRACE(testing::PrintToString(c));
  const TestedMergeStates& op = tested_merge_states(c.config, c.variant);
  const MergeTensors tensors(c, suite().plain());
  const reference::Expected expected = tensors.expected();
  const CudaStream stream;
  op.run(tensors.params(), stream.get());
  const MergeOutput output = tensors.take_output();
  judge_and_record(c, expected, output);

  tensors.fill_inputs();
  op.run(tensors.params(), stream.get());
  EXPECT_TRUE(tensors.take_output() == output) << "a second run of the same call gave other bits";
}

std::string name_of(const testing::TestParamInfo<MergeCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Correctness, MergeStatesOnGpu, testing::ValuesIn(merge_correctness_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(CorrectnessRandom, MergeStatesOnGpu, testing::ValuesIn(merge_random_cases(suite_seed())),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Corner, MergeStatesOnGpu, testing::ValuesIn(merge_corner_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(PerformanceShapes, MergeStatesOnGpu, testing::ValuesIn(merge_performance_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Small, MergeStatesOnGpu, testing::ValuesIn(merge_small_cases()), name_of);

class MergeGraphReplay : public testing::TestWithParam<bool> {};

TEST_P(MergeGraphReplay, FollowsStatesThatChangeOnTheDevice) {
  MergeCase c;
  c.name = "graph";
  c.config = merge_config(128, DType::kBFloat16, GetParam() ? DType::kFloat8E4M3 : DType::kBFloat16);
  c.tokens = 50;
  c.heads = 4;
  c.absent = {-__builtin_inff()};
  MergeTensors tensors(c, suite().plain());
  const CudaStream stream;
  const TestedMergeStates op(suite().fresh_context(), c.config, Variant::kOwn);
  const CudaGraph graph(stream, [&] { op.run(tensors.params(), stream.get()); });
  for (const std::uint64_t seed : {1, 2, 3}) {
    tensors.set_seed(seed);
    tensors.fill_inputs();
    const reference::Expected expected = tensors.expected();
    graph.launch(stream);
    judge_and_record(c, expected, tensors.take_output());
  }
}

INSTANTIATE_TEST_SUITE_P(Launch, MergeGraphReplay, testing::Bool(),
                         [](const auto& row) { return row.param ? "e4m3" : "bf16"; });
INSTANTIATE_TEST_SUITE_P(Small, MergeGraphReplay, testing::Values(false), [](const auto&) { return "bf16"; });

}  // namespace
}  // namespace attnjit::gpu_tests
