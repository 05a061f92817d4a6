// mask_from_topk and masked_mha against the float64 reference with the same indices: the tables of masked_cases.h, and
// calls with graphs and workspace.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "attnjit/error.hpp"
#include "tests/gpu/masked_mha/tested.h"
#include "tests/gpu/mha_varlen/run_case.h"
#include "tests/gpu/suite.h"
#include "verify/masked_mha/cases.h"
#include "verify/mha_varlen/cases.h"

namespace attnjit::gpu_tests {
namespace {

std::string name_of(const testing::TestParamInfo<MaskedCase>& info) { return info.param.attention.name; }

class MaskedMhaOnGpu : public testing::TestWithParam<MaskedCase> {};

TEST_P(MaskedMhaOnGpu, MatchesTheReference) {
  const MaskedCase& c = GetParam();
  const TestedMaskedMha& op = tested_masked_mha(c);
  const MaskedTensors tensors(c, suite().plain());
  const CudaStream stream;
  op.run(tensors, stream.get());
  const Output output = tensors.take_output();
  judge(c.attention, tensors.expected(), output);
  EXPECT_EQ(tensors.take_mask(), "");

  op.run(tensors, stream.get());
  EXPECT_TRUE(tensors.take_output() == output) << "a second run of the same call gave other bits";
}

INSTANTIATE_TEST_SUITE_P(Correctness, MaskedMhaOnGpu, testing::ValuesIn(masked_correctness_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(CorrectnessRandom, MaskedMhaOnGpu, testing::ValuesIn(masked_random_cases(suite_seed())),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Corner, MaskedMhaOnGpu, testing::ValuesIn(masked_corner_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(PerformanceShapes, MaskedMhaOnGpu, testing::ValuesIn(masked_performance_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Small, MaskedMhaOnGpu, testing::ValuesIn(masked_small_cases()), name_of);

class MaskOnGpu : public testing::TestWithParam<MaskedCase> {};

TEST_P(MaskOnGpu, HasTheBitsOfTheIndices) {
  const MaskedTensors tensors(GetParam(), suite().plain());
  const CudaStream stream;
  for (int run = 0; run < 2; ++run) {
    tested_masked_mha(GetParam()).build(tensors, stream.get());
    EXPECT_EQ(tensors.take_mask(), "") << "run " << run;
  }
}

INSTANTIATE_TEST_SUITE_P(Corner, MaskOnGpu, testing::ValuesIn(mask_cases()), name_of);

class MaskedGraphReplay : public testing::TestWithParam<MaskForm> {};

TEST_P(MaskedGraphReplay, FollowsLengthsAndIndicesThatChangeOnTheDevice) {
  MaskedCase c;
  c.attention.name = "masked_graph";
  c.attention.config = suite_config(192, 128, 64, DType::kBFloat16, true);
  c.attention.len_q = {200, 0, 150};
  c.attention.len_k = {300, 40, 150};
  c.attention.max_seqlen_slack = 100;
  c.attention.heads = c.attention.kv_heads = 4;
  c.form = GetParam();
  c.topk = 64;
  MaskedTensors tensors(c, suite().plain());
  const CudaStream stream;
  // The first launch of a kernel may be the captured one.
  const TestedMaskedMha op(suite().fresh_context(), {c.attention.config, Variant::kOwn}, Tiles::kAsPlanned);
  const CudaGraph graph(stream, [&] { op.run(tensors, stream.get()); });

  const std::pair<std::vector<int>, std::vector<int>> lengths[] = {{{200, 0, 150}, {300, 40, 150}},
                                                                   {{1, 1, 1}, {1, 1, 1}},
                                                                   {{0, 0, 0}, {0, 0, 0}},
                                                                   {{50, 250, 3}, {0, 250, 200}},
                                                                   {{300, 20, 30}, {400, 20, 70}}};
  std::uint64_t seed = 1;
  for (const auto& [len_q, len_k] : lengths) {
    tensors.change(len_q, len_k, seed++);
    graph.launch(stream);
    SCOPED_TRACE(testing::PrintToString(len_q));
    judge(c.attention, tensors.expected(), tensors.take_output());
    EXPECT_EQ(tensors.take_mask(), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Launch, MaskedGraphReplay, testing::Values(MaskForm::kMask, MaskForm::kIndices),
                         [](const auto& row) { return row.param == MaskForm::kMask ? "mask" : "indices"; });
INSTANTIATE_TEST_SUITE_P(Small, MaskedGraphReplay, testing::Values(MaskForm::kIndices),
                         [](const auto&) { return "indices"; });

TEST(MaskedWorkspace, IsReservedAheadOfTime) {
  MaskedCase c = masked_small_cases().front();
  c.form = MaskForm::kIndices;
  const MaskedTensors tensors(c, suite().plain());
  MaskedMhaParams params = tensors.params();
  params.workspace = {};
  const CudaStream stream;
  const MaskedMha op(suite().context(), {c.attention.config});
  EXPECT_THROW(op.run(params, stream.get()), Error);
  op.reserve(stream.get(), {.tokens_q = params.topk_indices.shape[0],
                            .batch = static_cast<std::int64_t>(c.attention.len_q.size()),
                            .max_positions = params.max_positions});
  op.run(params, stream.get());
  judge(c.attention, tensors.expected(), tensors.take_output());
}

}  // namespace
}  // namespace attnjit::gpu_tests
