// From the public API down to the driver, which is fake: which context, which grid, which parameter. Calls that must
// not launch are in tests/bad_input.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "attnjit/attnjit.hpp"
#include "operators/mha_varlen/kernels.h"
#include "runtime/context_impl.h"
#include "templates/shared/merge_states_params.h"
#include "templates/shared/mha_varlen_params.h"
#include "templates/shared/sm90_mha_varlen_config.h"
#include "tests/cache/support.h"
#include "tests/fake_driver/fake_cuda.h"
#include "tests/runtime/merge_states_case.h"
#include "tests/runtime/mha_varlen_case.h"
#include "tests/support/kept_kernels.h"

namespace {

using attnjit::test::deepseek_params;

// Small dims, since these tests are not about the kernel.
attnjit::MhaVarlenConfig small_config() {
  return {.head_dim_qk = 192,
          .head_dim_v = 128,
          .rope_dim = 64,
          .dtype = attnjit::DType::kBFloat16,
          .causal = true,
          .out_dtype = {}};
}

class LaunchTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { setenv("ATTNJIT_LIBCUDA", FAKE_CUDA_PATH, 1); }
  void SetUp() override {
    fake_cuda::reset();
    fake_cuda::state().parameter_bytes["attnjit_sm90_mha_varlen"] = sizeof(attnjit::kernel::Sm90MhaVarlenParams);
  }

  attnjit::ContextOptions options(int device = 0, const std::string& arch = "") {
    attnjit::ContextOptions result;
    result.device = device;
    result.arch = arch;
    result.cache_path = attnjit::test::kept_kernels();
    return result;
  }
};

TEST_F(LaunchTest, OneCallIsOneLaunchInTheHostsContextAndStream) {
  const attnjit::Context context(options());
  EXPECT_EQ(context.arch(), "sm_90a");
  const attnjit::MhaVarlen op(context, small_config());
  fake_cuda::set_current(fake_cuda::context_of(0));
  const auto stream = reinterpret_cast<attnjit::Stream>(0x5000);
  op.run(deepseek_params(), stream);

  ASSERT_EQ(fake_cuda::state().launches.size(), 1u);
  const auto& launch = fake_cuda::state().launches[0];
  EXPECT_EQ(launch.grid_x, 2u * 16 * 4);
  EXPECT_EQ(launch.threads, 384u);
  EXPECT_GT(launch.smem_bytes, 48u * 1024);
  EXPECT_EQ(launch.stream, reinterpret_cast<CUstream>(stream));
  EXPECT_EQ(launch.context, fake_cuda::context_of(0));
  EXPECT_EQ(fake_cuda::state().primary_contexts_retained, 0);
  attnjit::kernel::Sm90MhaVarlenParams whole;
  std::memcpy(&whole, launch.parameter.data(), sizeof whole);
  EXPECT_EQ(whole.v.opaque[0], reinterpret_cast<std::uintptr_t>(attnjit::test::address(0x40000)));
  const attnjit::kernel::MhaVarlenParams& sent = whole.call;
  EXPECT_EQ(sent.v.data, attnjit::test::address(0x40000));
  EXPECT_EQ(sent.num_heads, 16);
}

/// Calls of an operator, and the tensor maps that they ask the driver for.
class TensorMapTest : public LaunchTest {
 protected:
  void SetUp() override {
    LaunchTest::SetUp();
    fake_cuda::set_current(fake_cuda::context_of(0));
    op_.emplace(attnjit::Context(options()), small_config());
  }

  /// How many maps the call encoded; told_ keeps the parameter that the kernel got.
  int encoded_by(const attnjit::MhaVarlenParams& params) {
    fake_cuda::state().launches.clear();
    const int before = fake_cuda::state().tensor_maps_encoded;
    op_->run(params);
    std::memcpy(&told_, fake_cuda::state().launches.at(0).parameter.data(), sizeof told_);
    return fake_cuda::state().tensor_maps_encoded - before;
  }
  void expect_told_of(const attnjit::MhaVarlenParams& params) const {
    const auto at = [](const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); };
    EXPECT_EQ(told_.q_nope.opaque[0], at(params.q.data));
    EXPECT_EQ(told_.q_pe.opaque[0], at(params.q.data) + 128 * 2);
    EXPECT_EQ(told_.k_nope.opaque[0], at(params.k_nope.data));
    EXPECT_EQ(told_.k_pe.opaque[0], at(params.k_pe.data));
    EXPECT_EQ(told_.v.opaque[0], at(params.v.data));
    EXPECT_EQ(told_.v.opaque[3], static_cast<std::uint64_t>(params.v.shape[0])) << "tokens";
    EXPECT_EQ(told_.v.opaque[5], static_cast<std::uint64_t>(params.v.strides[0]) * 2) << "token stride in bytes";
  }

  std::optional<attnjit::MhaVarlen> op_;
  attnjit::kernel::Sm90MhaVarlenParams told_{};
};

TEST_F(TensorMapTest, AreEncodedOnceWhereverTheTensorsLie) {
  std::minstd_rand random(7);
  for (int i = 0; i < 1000; ++i) {
    attnjit::MhaVarlenParams params = deepseek_params();
    const auto place = [&] {
      return attnjit::test::address(((std::uintptr_t{random()} << 12) + random() % 4096) * 16);
    };
    for (attnjit::Tensor* tensor : {&params.q, &params.k_nope, &params.k_pe, &params.v}) tensor->data = place();
    EXPECT_EQ(encoded_by(params), 5) << "at the first call";
    expect_told_of(params);
    EXPECT_EQ(encoded_by(params), 0) << "at the second call";
    expect_told_of(params);
  }
}

TEST_F(TensorMapTest, AreEncodedAnewForWhatHasChanged) {
  attnjit::MhaVarlenParams params = deepseek_params();
  encoded_by(params);
  params.v.data = attnjit::test::address(0x48000);
  EXPECT_EQ(encoded_by(params), 1);
  expect_told_of(params);
  params.v.strides[0] *= 2;
  EXPECT_EQ(encoded_by(params), 1);
  expect_told_of(params);
  for (attnjit::Tensor* tensor : {&params.k_nope, &params.k_pe, &params.v}) tensor->shape[0] = 250;
  EXPECT_EQ(encoded_by(params), 3);
  expect_told_of(params);
}

TEST_F(TensorMapTest, OfSixteenLayersAreKept) {
  attnjit::MhaVarlenParams params = deepseek_params();
  for (int round = 0; round < 3; ++round) {
    for (std::uintptr_t layer = 0; layer < 16; ++layer) {
      params.k_nope.data = attnjit::test::address(0x100000 + layer * 0x10000);
      params.v.data = attnjit::test::address(0x200000 + layer * 0x10000);
      const int encoded = encoded_by(params);
      EXPECT_EQ(encoded > 0, round == 0) << "layer " << layer;
      expect_told_of(params);
    }
  }
}

TEST_F(LaunchTest, AMergeIsOneLaunchToo) {
  const attnjit::Context context(options());
  const attnjit::MergeStates op(context, attnjit::test::merge_config());
  fake_cuda::state().parameter_bytes["attnjit_merge_states"] = sizeof(attnjit::kernel::MergeStatesParams);
  const auto stream = reinterpret_cast<attnjit::Stream>(0x5000);
  op.run(attnjit::test::five_states(), stream);

  ASSERT_EQ(fake_cuda::state().launches.size(), 1u);
  const auto& launch = fake_cuda::state().launches[0];
  EXPECT_EQ(launch.grid_x, 300u * 16 / 16);
  EXPECT_EQ(launch.threads, 256u);
  EXPECT_EQ(launch.stream, reinterpret_cast<CUstream>(stream));
  attnjit::kernel::MergeStatesParams sent;
  std::memcpy(&sent, launch.parameter.data(), sizeof sent);
  EXPECT_EQ(sent.first.out.data, attnjit::test::address(0x10000));
  EXPECT_EQ(sent.num_states, 5);
  EXPECT_EQ(sent.rows, 300 * 16);

  auto nothing = attnjit::test::five_states();
  for (attnjit::Tensor* tensor : {&nothing.outs, &nothing.lses}) tensor->shape[1] = 0;
  for (attnjit::Tensor* tensor : {&nothing.out, &nothing.lse}) tensor->shape[0] = 0;
  op.run(nothing, stream);
  EXPECT_EQ(fake_cuda::state().launches.size(), 1u);

  const attnjit::MergeStates unloaded(attnjit::Context(options(attnjit::ContextOptions::kNoDevice, "sm_90a")),
                                      attnjit::test::merge_config());
  EXPECT_THROW(unloaded.run(attnjit::test::five_states()), attnjit::Error);
}

TEST_F(LaunchTest, WithoutACurrentContextThePrimaryOneServesAndIsTakenAwayAgain) {
  const attnjit::Context context(options());
  const attnjit::MhaVarlen op(context, small_config());
  op.run(deepseek_params());
  op.run(deepseek_params());
  ASSERT_EQ(fake_cuda::state().launches.size(), 2u);
  EXPECT_EQ(fake_cuda::state().launches[0].context, fake_cuda::context_of(0));
  EXPECT_EQ(fake_cuda::state().primary_contexts_retained, 1);
  fake_cuda::set_current(nullptr);
}

TEST_F(LaunchTest, ALaunchMayOverlapThePreviousOne) {
  using attnjit::runtime::LaunchOrder;
  const attnjit::Context context(options());
  fake_cuda::set_current(fake_cuda::context_of(0));
  const auto kernels =
      attnjit::runtime::choose_mha_varlen(small_config(), attnjit::runtime::context_impl(context)->features());
  const auto kernel = attnjit::runtime::context_impl(context)->loader().load(kernels->plans()[0]);
  const attnjit::kernel::Sm90MhaVarlenParams params{};  // as many bytes as are recorded
  kernel->launch(1, &params, nullptr);
  kernel->launch(1, &params, nullptr, LaunchOrder::kOverlapsPrevious);
  ASSERT_EQ(fake_cuda::state().launches.size(), 2u);
  EXPECT_FALSE(fake_cuda::state().launches[0].overlaps_previous);
  EXPECT_TRUE(fake_cuda::state().launches[1].overlaps_previous);
}

TEST_F(LaunchTest, DriversWhoseGraphsHaveNoOverlapAreNotAskedForIt) {
  using attnjit::runtime::LaunchOrder;
  using attnjit::runtime::served_order;
  EXPECT_EQ(served_order(LaunchOrder::kOverlapsPrevious, 12020), LaunchOrder::kAfterPrevious);
  EXPECT_EQ(served_order(LaunchOrder::kOverlapsPrevious, 12030), LaunchOrder::kOverlapsPrevious);
  EXPECT_EQ(served_order(LaunchOrder::kAfterPrevious, 13000), LaunchOrder::kAfterPrevious);
}

TEST_F(LaunchTest, AContextOfAnotherDeviceIsAnError) {
  fake_cuda::state().device_sms = {90, 90};
  const attnjit::Context context(options(1));
  const attnjit::MhaVarlen op(context, small_config());
  fake_cuda::set_current(fake_cuda::context_of(0));
  try {
    op.run(deepseek_params());
    FAIL() << "launched on the wrong device";
  } catch (const attnjit::Error& error) {
    EXPECT_EQ(error.status(), attnjit::Status::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("wrong device"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(fake_cuda::state().launches.empty());
  fake_cuda::set_current(fake_cuda::context_of(1));
  op.run(deepseek_params());
  EXPECT_EQ(fake_cuda::state().launches.size(), 1u);
}

TEST_F(LaunchTest, AChildIsToldToMakeItsOwnContext) {
  fake_cuda::set_current(fake_cuda::context_of(0));
  const attnjit::MhaVarlen op(attnjit::Context(options()), small_config());
  EXPECT_EQ(0, attnjit::cache::run_child([&] {
              try {
                op.run(deepseek_params());
                return 1;
              } catch (const attnjit::Error& error) {
                const std::string text = error.what();
                const bool told = text.find("forked after its Context of device 0 was made") != std::string::npos &&
                                  text.find("make the Context in the child") != std::string::npos;
                return told && error.status() == attnjit::Status::kDriverError ? 0 : 2;
              }
            }));
  op.run(deepseek_params());
  EXPECT_EQ(fake_cuda::state().launches.size(), 1u);
}

TEST_F(LaunchTest, CountersTellLoadsApartFromHits) {
  attnjit::Context context(options());
  const attnjit::MhaVarlen op(context, small_config());
  const attnjit::CacheCounters first = context.counters();
  EXPECT_EQ(first.loads, fake_cuda::state().libraries_loaded);
  EXPECT_GT(first.load_seconds, 0);
  EXPECT_EQ(first.loaded_hits, 0);
  const attnjit::MhaVarlen again(context, small_config());
  EXPECT_EQ(context.counters().loaded_hits, first.loads);
  EXPECT_EQ(context.counters().loads, first.loads);

  const std::string before = to_json(context.counters());
  op.run(deepseek_params());
  fake_cuda::set_current(nullptr);
  EXPECT_EQ(to_json(context.counters()), before) << "a launch counts nothing";

  fake_cuda::state().cubins_to_refuse = 1;
  const attnjit::Context other(options());
  const attnjit::MhaVarlen recompiled(other, small_config());
  EXPECT_EQ(other.counters().refused_cubins, 1);
}

TEST_F(LaunchTest, AFrozenContextFindsTheKernelsOfALaterTarget) {
  // As if the NVRTC of the machine that filled the cache did not know the family target of SM 10.0.
  auto portable = options(attnjit::ContextOptions::kNoDevice);
  portable.arch = "sm_100";
  const attnjit::MhaVarlen compiled(attnjit::Context(portable), small_config());

  fake_cuda::state().device_sms = {100};
  attnjit::Context context(options());
  ASSERT_NE(context.arch(), "sm_100");
  context.freeze();
  const attnjit::MhaVarlen op(context, small_config());
  EXPECT_EQ(context.counters().compiles + context.counters().refusals, 0);
  EXPECT_GT(context.counters().loads, 0);
  auto other = small_config();
  other.causal = false;
  EXPECT_THROW(attnjit::MhaVarlen(context, other), attnjit::MissError);
}

TEST_F(LaunchTest, OperatorsAreMadeRunAndDestroyedOnManyThreads) {
  const attnjit::Context context(options());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      fake_cuda::set_current(fake_cuda::context_of(0));
      for (int round = 0; round < 20; ++round) {
        const attnjit::MhaVarlen op(context, small_config());
        op.run(deepseek_params());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(fake_cuda::state().launches.size(), 80u);
  EXPECT_LE(fake_cuda::state().libraries_loaded - fake_cuda::state().libraries_unloaded, 2);
}

}  // namespace
