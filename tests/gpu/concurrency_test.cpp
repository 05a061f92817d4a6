// Concurrent calls of uneven length, in every way they can share state on the device: a module's tile counters, and
// workspaces. Each output is compared bit for bit with that of the same call run alone, which is checked against the
// reference.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "attnjit/error.hpp"
#include "attnjit/masked_mha.hpp"
#include "attnjit/mha_varlen.hpp"
#include "attnjit/mla_decode.hpp"
#include "runtime/driver.h"
#include "runtime/stream_id.h"
#include "tests/gpu/masked_mha/tested.h"
#include "tests/gpu/mha_varlen/run_case.h"
#include "tests/gpu/mha_varlen/tested.h"
#include "tests/gpu/mla_decode/run_case.h"
#include "tests/gpu/mla_decode/tested.h"
#include "tests/gpu/suite.h"
#include "verify/mha_varlen/cases.h"
#include "verify/mla_decode/cases.h"

namespace attnjit::gpu_tests {
namespace {

constexpr int kRounds = 25;

/// A call's tensors and the output of the call run alone.
template <class Tensors>
struct Subject {
  std::unique_ptr<Tensors> tensors;
  Output alone;
};

/// Repeatedly runs `together`, which enqueues one call of each subject. Outputs are poisoned in between.
template <class Tensors>
void expect_as_alone(const std::vector<const Subject<Tensors>*>& subjects, const std::function<void()>& together,
                     int rounds = kRounds) {
  int wrong = 0;
  for (int round = 0; round < rounds; ++round) {
    together();
    for (const Subject<Tensors>* subject : subjects) wrong += subject->tensors->take_output() == subject->alone ? 0 : 1;
  }
  EXPECT_EQ(wrong, 0) << "of " << rounds * static_cast<int>(subjects.size()) << " results";
}

// ---- mha_varlen: a few CTAs work on the long sequence while others take the rest, then tiles of the next launch

MhaVarlenConfig uneven_config() { return suite_config(192, 128, 64, DType::kBFloat16, true); }

const Subject<CaseTensors>& uneven(int index) {
  return suite().kept<Subject<CaseTensors>>(fmt::format("uneven mha_varlen {}", index), [&] {
    Case c;
    c.name = "uneven";
    c.config = uneven_config();
    c.len_q.assign(341, 64);
    c.len_k.assign(341, 64);
    c.len_k[0] = 40000;
    c.heads = c.kv_heads = 2;
    c.seed = 900 + static_cast<std::uint64_t>(index);
    Subject<CaseTensors> subject{std::make_unique<CaseTensors>(c, suite().plain()), {}};
    tested_mha_varlen(c.config).run(subject.tensors->params(), nullptr);
    subject.alone = subject.tensors->take_output();
    judge(c, subject.tensors->expected(), subject.alone);
    return subject;
  });
}

std::vector<const Subject<CaseTensors>*> uneven_subjects(int count) {
  std::vector<const Subject<CaseTensors>*> subjects;
  for (int i = 0; i < count; ++i) subjects.push_back(&uneven(i));
  return subjects;
}

class ManyOperators : public testing::TestWithParam<int> {};

TEST_P(ManyOperators, OnAsManyStreams) {
  const auto subjects = uneven_subjects(GetParam());
  const Context context = suite().fresh_context();
  std::vector<MhaVarlen> ops;
  std::vector<CudaStream> streams(subjects.size());
  for (std::size_t i = 0; i < subjects.size(); ++i) ops.emplace_back(context, uneven_config());
  expect_as_alone<CaseTensors>(subjects, [&] {
    for (std::size_t i = 0; i < subjects.size(); ++i) ops[i].run(subjects[i]->tensors->params(), streams[i].get());
  });
  // A single call must work with the state that the calls left behind.
  expect_as_alone<CaseTensors>(
      {subjects[0]}, [&] { ops[0].run(subjects[0]->tensors->params(), streams[0].get()); }, 2);
}

INSTANTIATE_TEST_SUITE_P(Concurrency, ManyOperators, testing::Values(2, 4),
                         [](const auto& row) { return fmt::format("of_{}", row.param); });

TEST(Concurrency, OneOperatorOnThePerThreadStreamsOfTwoThreads) {
  const auto subjects = uneven_subjects(2);
  const MhaVarlen op(suite().fresh_context(), uneven_config());
  std::exception_ptr failures[2];
  const auto work = [&](std::size_t index) {
    try {
      const CurrentDevice current(suite().options().device);
      op.run(subjects[index]->tensors->params(), CU_STREAM_PER_THREAD);
    } catch (...) {
      failures[index] = std::current_exception();
    }
  };
  expect_as_alone<CaseTensors>(subjects, [&] {
    std::thread first(work, 0), second(work, 1);
    first.join();
    second.join();
    for (const std::exception_ptr& failure : failures) {
      if (failure) std::rethrow_exception(failure);
    }
  });
}

TEST(Concurrency, TwoGraphsOfTwoOperators) {
  const auto subjects = uneven_subjects(2);
  const Context context = suite().fresh_context();
  const MhaVarlen ops[] = {MhaVarlen(context, uneven_config()), MhaVarlen(context, uneven_config())};
  const CudaStream streams[2];
  const CudaGraph graphs[] = {
      CudaGraph(streams[0], [&] { ops[0].run(subjects[0]->tensors->params(), streams[0].get()); }),
      CudaGraph(streams[1], [&] { ops[1].run(subjects[1]->tensors->params(), streams[1].get()); })};
  expect_as_alone<CaseTensors>(subjects, [&] {
    for (int i = 0; i < 2; ++i) graphs[i].launch(streams[i]);
  });
}

TEST(Concurrency, OneGraphInstantiatedTwice) {
  const auto subjects = uneven_subjects(1);
  const MhaVarlen op(suite().fresh_context(), uneven_config());
  const CudaStream streams[2];
  const CudaGraph first(streams[0], [&] { op.run(subjects[0]->tensors->params(), streams[0].get()); });
  const CudaGraph second = first.instantiated_again();
  expect_as_alone<CaseTensors>(subjects, [&] {
    first.launch(streams[0]);
    second.launch(streams[1]);
  });
}

TEST(Concurrency, AGraphBesideEagerCalls) {
  const auto subjects = uneven_subjects(2);
  const MhaVarlen op(suite().fresh_context(), uneven_config());
  const CudaStream streams[2];
  const CudaGraph graph(streams[0], [&] { op.run(subjects[0]->tensors->params(), streams[0].get()); });
  expect_as_alone<CaseTensors>(subjects, [&] {
    graph.launch(streams[0]);
    op.run(subjects[1]->tensors->params(), streams[1].get());
  });
}

TEST(Concurrency, AfterFiveThousandStreams) {
  const auto subjects = uneven_subjects(2);
  const MhaVarlen op(suite().fresh_context(), uneven_config());
  std::set<std::uint64_t> ids;
  std::set<CUstream> handles;
  for (int i = 0; i < 5000; ++i) {
    const CudaStream stream;  // destroyed while its launch runs: the next stream may get its handle
    op.run(subjects[0]->tensors->params(), stream.get());
    ids.insert(runtime::stream_id(runtime::Driver::get(), stream.get()));
    handles.insert(stream.get());
  }
  EXPECT_EQ(ids.size(), 5000u) << "cuStreamGetId used a number again";
  EXPECT_LT(handles.size(), 5000u) << "no handle was used again: this test shows less than it should";
  expect_as_alone<CaseTensors>(subjects, [&] {
    const CudaStream first, second;
    op.run(subjects[0]->tensors->params(), first.get());
    op.run(subjects[1]->tensors->params(), second.get());
  });
}

/// The tile counters rely on this.
TEST(Concurrency, EachThreadsPerThreadStreamHasANumberOfItsOwn) {
  const auto id_here = [] { return runtime::stream_id(runtime::Driver::get(), CU_STREAM_PER_THREAD); };
  const std::uint64_t own = id_here();
  EXPECT_EQ(id_here(), own);
  std::uint64_t of_other = own;
  std::thread([&] {
    const CurrentDevice current(suite().options().device);
    of_other = id_here();
  }).join();
  EXPECT_NE(of_other, own);
}

// ---- masked_mha: the same counters, and a workspace for the mask

const Subject<MaskedTensors>& uneven_masked(int index) {
  return suite().kept<Subject<MaskedTensors>>(fmt::format("uneven masked_mha {}", index), [&] {
    MaskedCase c;
    c.attention.name = "uneven";
    c.attention.config = uneven_config();
    c.attention.len_q.assign(200, 64);
    c.attention.len_k.assign(200, 64);
    c.attention.len_k[0] = 4000;
    c.attention.seed = 910 + static_cast<std::uint64_t>(index);
    c.form = MaskForm::kIndices;
    Subject<MaskedTensors> subject{std::make_unique<MaskedTensors>(c, suite().plain()), {}};
    tested_masked_mha(c).run(subject.tensors->params(), nullptr);
    subject.alone = subject.tensors->take_output();
    judge(c.attention, subject.tensors->expected(), subject.alone);
    return subject;
  });
}

TEST(Concurrency, TwoMaskedOperatorsOnTwoStreams) {
  const std::vector subjects{&uneven_masked(0), &uneven_masked(1)};
  const Context context = suite().fresh_context();
  const MaskedMha ops[] = {MaskedMha(context, {uneven_config()}), MaskedMha(context, {uneven_config()})};
  const CudaStream streams[2];
  MaskedMhaParams params[2];
  for (int i = 0; i < 2; ++i) {
    params[i] = subjects[static_cast<std::size_t>(i)]->tensors->params();
    params[i].workspace = {};
    ops[i].reserve(streams[i].get(),
                   {.tokens_q = params[i].attention.out.shape[0], .batch = 200, .max_positions = 4000});
  }
  expect_as_alone<MaskedTensors>(subjects, [&] {
    for (int i = 0; i < 2; ++i) ops[i].run(params[i], streams[i].get());
  });
}

// ---- mla_decode: workspaces

const DecodeCase& uneven_decode_case() {
  static const DecodeCase c = [] {
    DecodeCase made;
    made.name = "uneven";
    made.config = decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 64, true);
    made.seq_lens.assign(40, 100);
    made.seq_lens[0] = 20000;
    made.heads = 16;
    made.seed = 920;
    return made;
  }();
  return c;
}

const Subject<DecodeTensors>& uneven_decode(int index) {
  return suite().kept<Subject<DecodeTensors>>(fmt::format("uneven mla_decode {}", index), [&] {
    DecodeCase c = uneven_decode_case();
    c.seed += static_cast<std::uint64_t>(index);
    Subject<DecodeTensors> subject{std::make_unique<DecodeTensors>(c, suite().plain()), {}};
    const TestedMlaDecode& op = tested_mla_decode(c);
    const DeviceBuffer workspace = op.workspace(subject.tensors->bounds());
    op.run(subject.tensors->params(), workspace, nullptr);
    subject.alone = subject.tensors->take_output();
    judge(c, subject.tensors->expected(), subject.alone);
    return subject;
  });
}

TEST(Concurrency, TwoDecodeOperatorsOnTwoStreams) {
  const std::vector subjects{&uneven_decode(0), &uneven_decode(1)};
  const Context context = suite().fresh_context();
  const MlaDecode ops[] = {MlaDecode(context, uneven_decode_case().config),
                           MlaDecode(context, uneven_decode_case().config)};
  const CudaStream streams[2];
  for (int i = 0; i < 2; ++i) ops[i].reserve(streams[i].get(), subjects[0]->tensors->bounds());
  expect_as_alone<DecodeTensors>(subjects, [&] {
    for (std::size_t i = 0; i < 2; ++i) ops[i].run(subjects[i]->tensors->params(), streams[i].get());
  });
}

TEST(Concurrency, TwoThreadsDecodeOnOneReservedStream) {
  const std::vector subjects{&uneven_decode(0), &uneven_decode(1)};
  const MlaDecode op(suite().fresh_context(), uneven_decode_case().config);
  const CudaStream stream;
  op.reserve(stream.get(), subjects[0]->tensors->bounds());
  expect_as_alone<DecodeTensors>(subjects, [&] {
    const auto work = [&](std::size_t index) {
      const CurrentDevice current(suite().options().device);
      for (int i = 0; i < 20; ++i) op.run(subjects[index]->tensors->params(), stream.get());
    };
    std::thread first(work, 0), second(work, 1);
    first.join();
    second.join();
  });
}

TEST(Concurrency, NoWorkspaceIsReservedForPerThreadStreams) {
  const MlaDecode decode(suite().fresh_context(), uneven_decode_case().config);
  const MaskedMha masked(suite().fresh_context(), {uneven_config()});
  EXPECT_THROW(decode.reserve(CU_STREAM_PER_THREAD, uneven_decode(0).tensors->bounds()), Error);
  EXPECT_THROW(masked.reserve(CU_STREAM_PER_THREAD, {.tokens_q = 64, .batch = 1, .max_positions = 64}), Error);
}

TEST(Concurrency, AWorkspaceIsOfAStreamAndNotOfItsHandle) {
  const auto& subject = uneven_decode(0);
  const MlaDecode op(suite().fresh_context(), uneven_decode_case().config);
  std::set<CUstream> handles;
  for (int i = 0; i < 100; ++i) {
    const CudaStream stream;
    handles.insert(stream.get());
    EXPECT_THROW(op.run(subject.tensors->params(), stream.get()), Error) << "it has the workspace of stream " << i - 1;
    op.reserve(stream.get(), subject.tensors->bounds());
    op.run(subject.tensors->params(), stream.get());
  }
  EXPECT_LT(handles.size(), 100u) << "no handle was used again: this test shows nothing";
}

TEST(Concurrency, GraphsOfOneReservedStreamAreReplayedInTurn) {
  const std::vector subjects{&uneven_decode(0), &uneven_decode(1)};
  const MlaDecode op(suite().fresh_context(), uneven_decode_case().config);
  const CudaStream captured, replayed;
  op.reserve(captured.get(), subjects[0]->tensors->bounds());
  const CudaGraph graphs[] = {CudaGraph(captured, [&] { op.run(subjects[0]->tensors->params(), captured.get()); }),
                              CudaGraph(captured, [&] { op.run(subjects[1]->tensors->params(), captured.get()); })};
  expect_as_alone<DecodeTensors>(subjects, [&] {
    for (const CudaGraph& graph : graphs) graph.launch(replayed);
  });
}

TEST(Concurrency, GraphsWithWorkspacesOfTheirOwnRunBesideEachOther) {
  const std::vector subjects{&uneven_decode(0), &uneven_decode(1)};
  const TestedMlaDecode& op = tested_mla_decode(uneven_decode_case());
  const CudaStream streams[2];
  const DeviceBuffer workspaces[] = {op.workspace(subjects[0]->tensors->bounds()),
                                     op.workspace(subjects[1]->tensors->bounds())};
  const CudaGraph graphs[] = {
      CudaGraph(streams[0], [&] { op.run(subjects[0]->tensors->params(), workspaces[0], streams[0].get()); }),
      CudaGraph(streams[1], [&] { op.run(subjects[1]->tensors->params(), workspaces[1], streams[1].get()); })};
  expect_as_alone<DecodeTensors>(subjects, [&] {
    for (int i = 0; i < 2; ++i) graphs[i].launch(streams[i]);
  });
}

TEST(Concurrency, WhatIsReleasedCanBeReservedAgain) {
  const auto& subject = uneven_decode(0);
  const MlaDecode op(suite().fresh_context(), uneven_decode_case().config);
  const CudaStream stream;
  for (int i = 0; i < 3; ++i) {
    op.reserve(stream.get(), subject.tensors->bounds());
    expect_as_alone<DecodeTensors>(
        {&subject}, [&] { op.run(subject.tensors->params(), stream.get()); }, 1);
    op.release(stream.get());
    EXPECT_THROW(op.run(subject.tensors->params(), stream.get()), Error);
  }
}

}  // namespace
}  // namespace attnjit::gpu_tests
