// Calls of mla_decode with graphs, streams and workspaces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "attnjit/error.hpp"
#include "tests/gpu/mla_decode/run_case.h"
#include "tests/gpu/mla_decode/tested.h"
#include "tests/gpu/suite.h"
#include "verify/mla_decode/cases.h"

namespace attnjit::gpu_tests {
namespace {

DecodeCase make_case(CacheFormat format, std::vector<int> seq_lens, int heads, std::uint64_t seed) {
  DecodeCase c;
  c.name = "launch";
  c.config = decode_config(512, 64, DType::kBFloat16, format, 64, true);
  c.seq_lens = std::move(seq_lens);
  c.heads = heads;
  c.seed = seed;
  return c;
}

struct Replay {
  const char* name;
  CacheFormat format;
  PageForm pages;
  bool packed;
};

class DecodeGraphReplay : public testing::TestWithParam<Replay> {};

TEST_P(DecodeGraphReplay, FollowsLengthsAndPagesThatChangeOnTheDevice) {
  const Replay& replay = GetParam();
  DecodeCase c = make_case(replay.format, {2000, 3000, 0, 77}, 16, 1);
  c.pages = replay.pages;
  c.seqlen_q = 2;
  if (replay.packed) {
    c.packed_q = {2, 2, 0, 4};
    c.max_seqlen_slack = 4;
  }
  DecodeTensors tensors(c, suite().plain());
  const CudaStream stream;
  const TestedMlaDecode op(suite().fresh_context(), c);
  const DeviceBuffer workspace = op.workspace(tensors.bounds());
  const CudaGraph graph(stream, [&] { op.run(tensors.params(), workspace, stream.get()); });

  const std::pair<std::vector<int>, std::vector<int>> lengths[] = {{{2000, 3000, 0, 77}, {2, 2, 0, 4}},
                                                                   {{1, 1, 1, 1}, {2, 2, 2, 2}},
                                                                   {{0, 0, 0, 0}, {0, 0, 0, 8}},
                                                                   {{3, 2, 3000, 3000}, {1, 1, 5, 1}},
                                                                   {{100, 0, 2999, 64}, {8, 0, 0, 0}}};
  std::uint64_t seed = 10;
  for (const auto& [seq_lens, packed_q] : lengths) {
    tensors.set_lengths(seq_lens, replay.packed ? packed_q : std::vector<int>(), ++seed);
    graph.launch(stream);
    SCOPED_TRACE(testing::PrintToString(seq_lens));
    judge(c, tensors.expected(), tensors.take_output());
  }
}

INSTANTIATE_TEST_SUITE_P(Launch, DecodeGraphReplay,
                         testing::Values(Replay{"table", CacheFormat::kSame, PageForm::kTable, false},
                                         Replay{"indices", CacheFormat::kE4M3, PageForm::kIndices, false},
                                         Replay{"packed", CacheFormat::kE4M3Rows, PageForm::kPaddedTable, true}),
                         [](const auto& row) { return row.param.name; });
INSTANTIATE_TEST_SUITE_P(Small, DecodeGraphReplay,
                         testing::Values(Replay{"table", CacheFormat::kSame, PageForm::kTable, false}),
                         [](const auto& row) { return row.param.name; });

TEST(DecodeLaunch, TheSameBitsInEveryRun) {
  const DecodeCase c = make_case(CacheFormat::kSame, {3000, 20, 700}, 40, 5);
  const DecodeTensors tensors(c, suite().plain());
  const TestedMlaDecode& op = tested_mla_decode(c);
  const DeviceBuffer workspace = op.workspace(tensors.bounds());
  const CudaStream stream;
  Output first;
  for (int i = 0; i < 10; ++i) {
    op.run(tensors.params(), workspace, stream.get());
    const Output output = tensors.take_output();
    if (i == 0) first = output;
    ASSERT_TRUE(output == first) << "run " << i;
  }
}

TEST(DecodeLaunch, CallsInARowShareAWorkspace) {
  // The second call's main kernel must not write the workspace before the first call's partials are combined.
  const DecodeCase c = make_case(CacheFormat::kE4M3, {9000, 40, 3000}, 16, 6);
  const DecodeTensors tensors(c, suite().plain());
  const TestedMlaDecode& op = tested_mla_decode(c);
  const DeviceBuffer workspace = op.workspace(tensors.bounds());
  const CudaStream stream;
  for (int i = 0; i < 50; ++i) op.run(tensors.params(), workspace, stream.get());
  judge(c, tensors.expected(), tensors.take_output());
}

TEST(DecodeLaunch, TwoStreamsWithReservedWorkspaces) {
  const DecodeCase cases[] = {make_case(CacheFormat::kSame, {4000, 300}, 16, 7),
                              make_case(CacheFormat::kSame, {500, 4100}, 16, 8)};
  const DecodeTensors tensors[] = {DecodeTensors(cases[0], suite().plain()), DecodeTensors(cases[1], suite().plain())};
  const MlaDecode op(suite().context(), cases[0].config);
  const CudaStream streams[2];
  for (int s = 0; s < 2; ++s) op.reserve(streams[s].get(), tensors[s].bounds());
  for (int i = 0; i < 20; ++i) {
    for (int s = 0; s < 2; ++s) op.run(tensors[s].params(), streams[s].get());
  }
  for (int s = 0; s < 2; ++s) judge(cases[s], tensors[s].expected(), tensors[s].take_output());
}

TEST(DecodeLaunch, ARefusedCallLaunchesNothing) {
  const DecodeCase c = make_case(CacheFormat::kSame, {100}, 2, 9);
  const DecodeTensors tensors(c, suite().plain());
  const MlaDecode op(suite().context(), c.config);
  EXPECT_THROW(op.run(tensors.params()), Error) << "there is no workspace";
  MlaDecodeParams params = tensors.params();
  params.softmax_scale = 0;
  EXPECT_THROW(op.run(params), Error);
  const Output output = tensors.take_output();
  EXPECT_THAT(output.wrong_place, testing::StartsWith("1024 of 1024 elements of out were not written; 2 of 2"));
  EXPECT_THAT(output.wrong_place, testing::Not(testing::HasSubstr("belong to no row")));
}

}  // namespace
}  // namespace attnjit::gpu_tests
