// Calls with streams, graphs, threads and contexts; a refused call leaves no trace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "attnjit/error.hpp"
#include "runtime/driver.h"
#include "tests/gpu/mha_varlen/run_case.h"
#include "tests/gpu/mha_varlen/tested.h"
#include "tests/gpu/suite.h"
#include "verify/mha_varlen/cases.h"

namespace attnjit::gpu_tests {
namespace {

const MhaVarlenConfig& mla() {
  static const MhaVarlenConfig config = suite_config(192, 128, 64, DType::kBFloat16, true);
  return config;
}
const MhaVarlenConfig& mha_f16() {
  static const MhaVarlenConfig config = suite_config(128, 128, 0, DType::kFloat16, false);
  return config;
}

Case make_case(const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k, std::uint64_t seed) {
  Case c;
  c.name = describe(config);
  c.config = config;
  c.len_q = std::move(len_q);
  c.len_k = std::move(len_k);
  c.heads = c.kv_heads = 4;
  c.seed = seed;
  return c;
}

class GraphReplay : public testing::TestWithParam<bool> {};

TEST_P(GraphReplay, FollowsLengthsThatChangeOnTheDevice) {
  // The longest sequences that the call may get. The first launch of a kernel may be the captured one.
  const bool e4m3 = GetParam();
  Case c = make_case(e4m3 ? suite_config(192, 128, 64, DType::kBFloat16, true, true) : mla(), {200, 0, 150},
                     {300, 40, 150}, 1);
  c.max_seqlen_slack = 100;
  CaseTensors tensors(c, suite().plain());
  const CudaStream stream;
  const TestedMhaVarlen op(suite().fresh_context(), {c.config, Variant::kOwn}, Tiles::kAsPlanned);
  const CudaGraph graph(stream, [&] { op.run(tensors.params(), stream.get()); });

  const std::pair<std::vector<int>, std::vector<int>> lengths[] = {{{200, 0, 150}, {300, 40, 150}},
                                                                   {{1, 1, 1}, {1, 1, 1}},
                                                                   {{0, 0, 0}, {0, 0, 0}},
                                                                   {{50, 250, 3}, {0, 250, 200}},
                                                                   {{300, 20, 30}, {400, 20, 70}}};
  for (const auto& [len_q, len_k] : lengths) {
    tensors.set_lengths(len_q, len_k);
    graph.launch(stream);
    SCOPED_TRACE(testing::PrintToString(len_q));
    judge(c, tensors.expected(), tensors.take_output());
  }
}

INSTANTIATE_TEST_SUITE_P(Launch, GraphReplay, testing::Bool(),
                         [](const auto& row) { return row.param ? "e4m3" : "bf16"; });
INSTANTIATE_TEST_SUITE_P(Small, GraphReplay, testing::Values(false), [](const auto&) { return "bf16"; });

TEST(Launch, TwoStreamsAtOnce) {
  const Case cases[] = {make_case(mla(), {700, 300}, {900, 300}, 1), make_case(mha_f16(), {500, 500}, {400, 900}, 2)};
  const CaseTensors tensors[] = {CaseTensors(cases[0], suite().plain()), CaseTensors(cases[1], suite().plain())};
  const TestedMhaVarlen* const ops[] = {&tested_mha_varlen(cases[0].config), &tested_mha_varlen(cases[1].config)};
  const CudaStream streams[2];
  for (int i = 0; i < 20; ++i) {
    for (int s = 0; s < 2; ++s) ops[s]->run(tensors[s].params(), streams[s].get());
  }
  for (int s = 0; s < 2; ++s) judge(cases[s], tensors[s].expected(), tensors[s].take_output());
}

TEST(Launch, TwoThreadsOneOperator) {
  // Both threads create it from a context that neither has used, and run it concurrently on their own streams.
  const Context context = suite().fresh_context();
  std::exception_ptr failures[2];
  const auto work = [&](int index) {
    try {
      const CurrentDevice current(suite().options().device);
      const Case c = make_case(mla(), {300, 100 + 50 * index}, {300, 400}, 10 + static_cast<std::uint64_t>(index));
      const CaseTensors tensors(c, suite().plain());
      const TestedMhaVarlen op(context, {c.config, Variant::kOwn}, Tiles::kAsPlanned);
      const CudaStream stream;
      for (int i = 0; i < 50; ++i) op.run(tensors.params(), stream.get());
      judge(c, tensors.expected(), tensors.take_output());
    } catch (...) {
      failures[index] = std::current_exception();
    }
  };
  std::thread first(work, 0), second(work, 1);
  first.join();
  second.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

TEST(Launch, AThreadWithoutACurrentContextUsesThePrimaryOne) {
  const Case c = make_case(mla(), {100}, {100}, 3);
  const CaseTensors tensors(c, suite().plain());
  std::exception_ptr failure;
  std::thread([&] {
    try {
      tested_mha_varlen(c.config).run(tensors.params(), nullptr);
      CUcontext left = nullptr;
      Cuda::check(runtime::Driver::get().cuCtxGetCurrent(&left), "cuCtxGetCurrent");
      EXPECT_EQ(left, nullptr) << "the thread's current context was changed";
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  judge(c, tensors.expected(), tensors.take_output());
}

TEST(Launch, TheLegacyDefaultStream) {
  const Case c = make_case(mla(), {100, 30}, {100, 90}, 4);
  const CaseTensors tensors(c, suite().plain());
  tested_mha_varlen(c.config).run(tensors.params(), nullptr);
  judge(c, tensors.expected(), tensors.take_output());
}

TEST(Launch, TheSameBitsInEveryRun) {
  const Case c = make_case(mla(), {700, 300}, {900, 300}, 5);
  const CaseTensors tensors(c, suite().plain());
  const CudaStream stream;
  Output first;
  for (int i = 0; i < 10; ++i) {
    tested_mha_varlen(c.config).run(tensors.params(), stream.get());
    const Output output = tensors.take_output();
    if (i == 0) first = output;
    ASSERT_TRUE(output == first) << "run " << i;
  }
}

TEST(Launch, ARefusedCallLaunchesNothing) {
  const Case c = make_case(mla(), {100}, {100}, 6);
  const CaseTensors tensors(c, suite().plain());
  const auto refused = [&](auto&& spoil) {
    MhaVarlenParams params = tensors.params();
    spoil(params);
    EXPECT_THROW(tested_mha_varlen(c.config).run(params, nullptr), Error);
    // Nothing was written, so every row is reported as missing and nothing else.
    const Output output = tensors.take_output();
    EXPECT_THAT(output.wrong_place, testing::StartsWith("51200 of 51200 elements of out were not written; 400 of 400"));
    EXPECT_THAT(output.wrong_place, testing::Not(testing::HasSubstr("belong to no row")));
  };
  refused([](MhaVarlenParams& p) { p.softmax_scale = 0; });
  refused([](MhaVarlenParams& p) { p.v.data = static_cast<char*>(p.v.data) + 2; });
  refused([](MhaVarlenParams& p) { p.k.shape[1] = p.v.shape[1] = 3; });
}

}  // namespace
}  // namespace attnjit::gpu_tests
