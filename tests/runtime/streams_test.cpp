// Streams, captures and threads, with a fake driver: which tile counter a launch gets, and whose workspace a call uses.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <future>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "attnjit/attnjit.hpp"
#include "runtime/driver.h"
#include "runtime/tile_counters.h"
#include "templates/shared/mla_decode_params.h"
#include "templates/shared/sm90_mha_varlen_config.h"
#include "templates/shared/tile_counters.h"
#include "tests/fake_driver/fake_cuda.h"
#include "tests/runtime/masked_mha_case.h"
#include "tests/runtime/merge_states_case.h"
#include "tests/runtime/mha_varlen_case.h"
#include "tests/runtime/mla_decode_case.h"
#include "tests/support/kept_kernels.h"

namespace {

using attnjit::kernel::kNoTileCounter;
using attnjit::test::address;

attnjit::Stream stream(std::uintptr_t handle) { return reinterpret_cast<attnjit::Stream>(handle); }

// ---- the counter table of a module

TEST(TileCounters, EachStreamHasOneOfItsOwn) {
  attnjit::runtime::TileCounters counters;
  const int first = counters.of_stream(7);
  EXPECT_EQ(counters.of_stream(7), first);
  EXPECT_NE(counters.of_stream(8), first);
  EXPECT_EQ(counters.of_stream(7), first);
}

TEST(TileCounters, AreNeverShared) {
  int told = 0;
  attnjit::runtime::TileCounters counters([&] { ++told; });
  std::set<int> given;
  for (std::uint64_t id = 0; id < attnjit::kernel::kTileCounters; ++id) given.insert(counters.of_stream(id));
  EXPECT_EQ(given.size(), static_cast<std::size_t>(attnjit::kernel::kTileCounters));
  EXPECT_EQ(*given.begin(), 0);
  EXPECT_EQ(*given.rbegin(), attnjit::kernel::kTileCounters - 1);
  EXPECT_EQ(told, 0);
  EXPECT_EQ(counters.of_stream(1u << 20), kNoTileCounter);
  EXPECT_EQ(counters.of_stream(1u << 21), kNoTileCounter);
  EXPECT_EQ(told, 1) << "said once";
  EXPECT_EQ(counters.of_stream(5), 5) << "who has one keeps it";
}

// ---- operators

class Streams : public testing::Test {
 protected:
  static void SetUpTestSuite() { setenv("ATTNJIT_LIBCUDA", FAKE_CUDA_PATH, 1); }
  void SetUp() override {
    fake_cuda::reset();
    fake_cuda::state().parameter_bytes["attnjit_sm90_mha_varlen"] = sizeof(attnjit::kernel::Sm90MhaVarlenParams);
    fake_cuda::state().parameter_bytes["attnjit_sm80_mla_decode"] = sizeof(attnjit::kernel::MlaDecodeParams);
    fake_cuda::set_current(fake_cuda::context_of(0));
  }
  void TearDown() override { fake_cuda::set_current(nullptr); }

  static attnjit::ContextOptions options() {
    attnjit::ContextOptions result;
    result.cache_path = attnjit::test::kept_kernels();
    return result;
  }
  /// More tiles than the device has SMs, so that a counter gives them out.
  static attnjit::MhaVarlenParams many_tiles() {
    attnjit::MhaVarlenParams params = attnjit::test::deepseek_params();
    params.cu_seqlens_q = params.cu_seqlens_k =
        attnjit::Tensor::contiguous(address(0x70000), attnjit::DType::kInt32, {9});
    return params;
  }
  static int last_counter() {
    attnjit::kernel::Sm90MhaVarlenParams sent;
    std::memcpy(&sent, fake_cuda::state().launches.back().parameter.data(), sizeof sent);
    return sent.counter;
  }
  static int counter_of(const attnjit::MhaVarlen& op, attnjit::Stream on) {
    op.run(many_tiles(), on);
    return last_counter();
  }
};

TEST_F(Streams, OperatorsOfOneConfigShareTheCountersOfTheirModule) {
  const attnjit::Context context(options());
  const attnjit::MhaVarlen first(context, attnjit::test::deepseek_config());
  const attnjit::MhaVarlen second(context, attnjit::test::deepseek_config());
  ASSERT_EQ(fake_cuda::state().libraries_loaded, 2) << "a large and a small tile, loaded once for both operators";
  const int on_first = counter_of(first, stream(0x5000));
  const int on_second = counter_of(second, stream(0x6000));
  EXPECT_NE(on_first, on_second) << "two operators on two streams run at the same time";
  EXPECT_EQ(counter_of(second, stream(0x5000)), on_first) << "launches of a stream follow each other";
  EXPECT_EQ(counter_of(first, stream(0x6000)), on_second);
}

TEST_F(Streams, AMaskedOperatorGivesEachStreamACounterToo) {
  const attnjit::Context context(options());
  const attnjit::MaskedMha first(context, attnjit::test::masked_config());
  const attnjit::MaskedMha second(context, attnjit::test::masked_config());
  attnjit::MaskedMhaParams params = attnjit::test::masked_params();
  params.attention = many_tiles();
  params.mask_tiles = attnjit::Tensor::contiguous(address(0x91000), attnjit::DType::kInt32,
                                                  {attnjit::mask_tile_rows(300, 8), attnjit::mask_tile_words(7)});
  first.run(params, stream(0x5000));
  const int counter = last_counter();
  EXPECT_NE(counter, kNoTileCounter);
  second.run(params, stream(0x6000));
  EXPECT_NE(last_counter(), counter);
}

TEST_F(Streams, AHandleThatIsUsedAgainIsAnotherStream) {
  const attnjit::MhaVarlen op(attnjit::Context(options()), attnjit::test::deepseek_config());
  const int counter = counter_of(op, stream(0x5000));
  fake_cuda::state().stream_ids[stream(0x5000)] = 77;  // destroyed with work still running; a new stream follows
  EXPECT_NE(counter_of(op, stream(0x5000)), counter);
}

TEST_F(Streams, PerThreadDefaultStreamsAreManyStreams) {
  const attnjit::MhaVarlen op(attnjit::Context(options()), attnjit::test::deepseek_config());
  const int counter = counter_of(op, CU_STREAM_PER_THREAD);
  EXPECT_EQ(counter_of(op, CU_STREAM_PER_THREAD), counter);
  int of_other = counter;
  std::thread([&] {
    fake_cuda::set_current(fake_cuda::context_of(0));
    of_other = counter_of(op, CU_STREAM_PER_THREAD);
    fake_cuda::set_current(nullptr);
  }).join();
  EXPECT_NE(of_other, counter);
}

TEST_F(Streams, ThousandsOfStreamsDoNotMeet) {
  const attnjit::MhaVarlen op(attnjit::Context(options()), attnjit::test::deepseek_config());
  std::set<int> counters;
  for (std::uintptr_t handle = 0x5000; handle < 0x5000 + 5000; ++handle)
    counters.insert(counter_of(op, stream(handle)));
  EXPECT_EQ(counters.size(), 5000u);
}

TEST_F(Streams, CapturedLaunchesTakeTilesInTurn) {
  const attnjit::MhaVarlen op(attnjit::Context(options()), attnjit::test::deepseek_config());
  fake_cuda::state().capture = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  EXPECT_EQ(counter_of(op, stream(0x5000)), kNoTileCounter);
  EXPECT_EQ(fake_cuda::state().launches.back().grid_x, 132u);
  fake_cuda::state().capture = CU_STREAM_CAPTURE_STATUS_NONE;
  EXPECT_NE(counter_of(op, stream(0x5000)), kNoTileCounter);

  // If every tile has its own CTA, no counter is used and nothing is asked of the driver.
  fake_cuda::state().capture_result = CUDA_ERROR_UNKNOWN;
  op.run(attnjit::test::deepseek_params(), stream(0x5000));
  EXPECT_EQ(last_counter(), kNoTileCounter);
  EXPECT_THROW(counter_of(op, stream(0x5000)), attnjit::Error);
}

/// One call of each operator on a stream.
void run_each(const attnjit::Context& context, attnjit::Stream on) {
  attnjit::MhaVarlen(context, attnjit::test::deepseek_config()).run(attnjit::test::deepseek_params(), on);
  attnjit::MaskFromTopk(context).run(attnjit::test::mask_from_topk_params(), on);
  attnjit::MaskedMha(context, attnjit::test::masked_config()).run(attnjit::test::masked_params(), on);
  attnjit::MlaDecode(context, attnjit::test::decode_config()).run(attnjit::test::decode_params(), on);
  attnjit::MergeStates(context, attnjit::test::merge_config()).run(attnjit::test::five_states(), on);
}

TEST_F(Streams, EachOperatorLaunchesOnTheStreamItIsGivenInTheCurrentContext) {
  run_each(attnjit::Context(options()), stream(0x5000));
  const auto& launches = fake_cuda::state().launches;
  ASSERT_EQ(launches.size(), 6u) << "decode launches two kernels";
  for (const fake_cuda::Launch& launch : launches) {
    EXPECT_EQ(launch.stream, stream(0x5000)) << launch.entry;
    EXPECT_EQ(launch.context, fake_cuda::context_of(0)) << launch.entry;
  }
  EXPECT_EQ(fake_cuda::state().primary_contexts_retained, 0);
  EXPECT_TRUE(fake_cuda::state().allocations.empty());
  EXPECT_EQ(fake_cuda::state().stream_waits, 0);
}

TEST_F(Streams, EachOperatorUsesThePrimaryContextWhereNoneIsCurrent) {
  fake_cuda::set_current(nullptr);
  run_each(attnjit::Context(options()), nullptr);
  for (const fake_cuda::Launch& launch : fake_cuda::state().launches) {
    EXPECT_EQ(launch.context, fake_cuda::context_of(0)) << launch.entry;
  }
  CUdevice device = 0;
  EXPECT_EQ(attnjit::runtime::Driver::get().cuCtxGetDevice(&device), CUDA_ERROR_INVALID_CONTEXT)
      << "it was left behind";
}

TEST_F(Streams, EachOperatorMayBeMadeAndRunOnSeveralThreads) {
  const attnjit::Context context(options());
  std::vector<std::thread> threads;
  for (std::uintptr_t index = 0; index < 4; ++index) {
    threads.emplace_back([&, index] {
      fake_cuda::set_current(fake_cuda::context_of(0));
      for (int round = 0; round < 5; ++round) run_each(context, stream(0x5000 + index));
      fake_cuda::set_current(nullptr);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(fake_cuda::state().launches.size(), 4u * 5 * 6);
}

// ---- reserved workspaces

class ReservedDecode : public Streams {
 protected:
  void SetUp() override {
    Streams::SetUp();
    op_.emplace(attnjit::Context(options()), attnjit::test::decode_config());
    params_ = attnjit::test::decode_params();
    params_.workspace = {};
  }
  std::string error_of_run(attnjit::Stream on) const {
    try {
      op_->run(params_, on);
      return "";
    } catch (const attnjit::Error& error) {
      return error.what();
    }
  }

  static constexpr attnjit::MlaDecodeBounds kBounds{.batch = 3, .max_seqlen_q = 2, .num_heads = 16};
  std::optional<attnjit::MlaDecode> op_;
  attnjit::MlaDecodeParams params_;
};

TEST_F(ReservedDecode, PerThreadDefaultStreamsAreRefused) {
  try {
    op_->reserve(CU_STREAM_PER_THREAD, kBounds);
    FAIL() << "one workspace for a stream of each thread";
  } catch (const attnjit::Error& error) {
    EXPECT_EQ(error.status(), attnjit::Status::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("CU_STREAM_PER_THREAD"), std::string::npos) << error.what();
  }
  EXPECT_NE(error_of_run(CU_STREAM_PER_THREAD).find("lend each call its workspace"), std::string::npos);
  params_.workspace = attnjit::test::decode_params().workspace;
  EXPECT_EQ(error_of_run(CU_STREAM_PER_THREAD), "") << "with its own memory";
}

TEST_F(ReservedDecode, TheNextStreamOfTheSameHandleHasNone) {
  op_->reserve(stream(0x5000), kBounds);
  EXPECT_EQ(error_of_run(stream(0x5000)), "");
  fake_cuda::state().stream_ids[stream(0x5000)] = 77;
  EXPECT_NE(error_of_run(stream(0x5000)).find("there are none"), std::string::npos);
  op_->reserve(stream(0x5000), kBounds);
  EXPECT_EQ(fake_cuda::state().allocations.size(), 2u);
  EXPECT_EQ(error_of_run(stream(0x5000)), "");
}

TEST_F(ReservedDecode, ACapturedCallUsesTheMemoryOfItsStream) {
  op_->reserve(stream(0x5000), kBounds);
  fake_cuda::state().stream_ids[stream(0x5000)] = 77;
  op_->reserve(stream(0x5000), kBounds);  // for the next stream with the same handle
  op_->reserve(stream(0x6000), kBounds);
  fake_cuda::state().capture = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  EXPECT_EQ(error_of_run(stream(0x5000)), "");
  attnjit::kernel::MlaDecodeParams sent;
  std::memcpy(&sent, fake_cuda::state().launches.at(0).parameter.data(), sizeof sent);
  EXPECT_EQ(sent.partial_out, reinterpret_cast<void*>(2 * fake_cuda::kFirstAddress));
  EXPECT_NE(error_of_run(stream(0x7000)), "");
  EXPECT_THROW(op_->reserve(stream(0x7000), kBounds), attnjit::Error) << "it would allocate";
}

TEST_F(ReservedDecode, TheNextContextOfTheSameHandleHasNone) {
  op_->reserve(nullptr, kBounds);
  EXPECT_EQ(error_of_run(nullptr), "");
  fake_cuda::state().context_ids[fake_cuda::context_of(0)] = 77;  // destroyed, and a new one created
  EXPECT_NE(error_of_run(nullptr).find("there are none"), std::string::npos);
  op_.reset();
  EXPECT_FALSE(fake_cuda::state().allocations.at(0).freed)
      << "it went with its context; the address may be another's now";
}

TEST_F(ReservedDecode, ReleaseFreesThoseOfOneStream) {
  op_->reserve(stream(0x5000), kBounds);
  op_->reserve(stream(0x5000), {.batch = 30, .max_seqlen_q = 2, .num_heads = 128});
  op_->reserve(stream(0x6000), kBounds);
  op_->release(stream(0x5000));
  const auto& allocations = fake_cuda::state().allocations;
  ASSERT_EQ(allocations.size(), 3u);
  EXPECT_TRUE(allocations[0].freed && allocations[1].freed);
  EXPECT_FALSE(allocations[2].freed);
  EXPECT_NE(error_of_run(stream(0x5000)), "");
  EXPECT_EQ(error_of_run(stream(0x6000)), "");
  op_->release(stream(0x7000));  // nothing was reserved there
}

/// The warning for the first launch on a stream that gets no tile counter. The callback makes a call on that same
/// stream.
TEST_F(ReservedDecode, ALineIsToldOnceTheWorkspaceMayBeUsedAgain) {
  attnjit::ContextOptions with_log = options();
  std::future<void> call_of_callback;
  std::function<void()> call;
  bool in_time = false;
  with_log.log = [&](attnjit::LogLevel level, const std::string&) {
    if (level != attnjit::LogLevel::kWarning || !call) return;
    call_of_callback = std::async(std::launch::async, call);
    in_time = call_of_callback.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  };
  const attnjit::MaskedMha op(attnjit::Context(with_log), attnjit::test::masked_config());
  attnjit::MaskedMhaParams params = attnjit::test::masked_params();
  params.attention = many_tiles();
  params.mask_tiles = attnjit::Tensor::contiguous(address(0x91000), attnjit::DType::kInt32,
                                                  {attnjit::mask_tile_rows(300, 8), attnjit::mask_tile_words(7)});
  for (std::uintptr_t i = 0; i < attnjit::kernel::kTileCounters; ++i) {
    op.run(params, stream(0x5000 + i));
    fake_cuda::state().launches.clear();
  }
  params = attnjit::test::topk_params();
  params.attention = many_tiles();
  params.workspace = {};
  const attnjit::Stream last = stream(0x5000 + attnjit::kernel::kTileCounters);
  op.reserve(last, {.tokens_q = 300, .batch = 8, .max_positions = 200});
  call = [&] {
    fake_cuda::set_current(fake_cuda::context_of(0));
    op.run(params, last);
    fake_cuda::set_current(nullptr);
  };
  op.run(params, last);
  EXPECT_TRUE(in_time) << "the callback waits for the call that tells it";
  ASSERT_TRUE(call_of_callback.valid());
  call_of_callback.get();
  EXPECT_EQ(fake_cuda::state().launches.size(), 4u);
}

TEST_F(ReservedDecode, AMaskOfNoBytesNeedsNoMemory) {
  const attnjit::MaskedMha op(attnjit::Context(options()), attnjit::test::masked_config());
  op.reserve(stream(0x5000), {.tokens_q = 0, .batch = 0, .max_positions = 0});
  EXPECT_TRUE(fake_cuda::state().allocations.empty()) << "a driver refuses an allocation of no bytes";
  op.release(stream(0x5000));
}

}  // namespace
