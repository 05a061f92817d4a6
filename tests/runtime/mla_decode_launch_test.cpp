// mla_decode from the public API down to the driver, which is fake: two launches, their parameter, and the workspace
// between them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "attnjit/attnjit.hpp"
#include "templates/shared/mla_decode_params.h"
#include "tests/fake_driver/fake_cuda.h"
#include "tests/runtime/mla_decode_case.h"
#include "tests/support/kept_kernels.h"

namespace {

using attnjit::test::address;
using attnjit::test::decode_config;
using attnjit::test::decode_params;
using Sent = attnjit::kernel::MlaDecodeParams;

const auto kStream = reinterpret_cast<attnjit::Stream>(0x5000);

class MlaDecodeLaunch : public testing::Test {
 protected:
  static void SetUpTestSuite() { setenv("ATTNJIT_LIBCUDA", FAKE_CUDA_PATH, 1); }
  void SetUp() override {
    fake_cuda::reset();
    fake_cuda::state().parameter_bytes["attnjit_sm80_mla_decode"] = sizeof(Sent);
    fake_cuda::state().parameter_bytes["attnjit_sm80_mla_combine"] = sizeof(Sent);
    fake_cuda::set_current(fake_cuda::context_of(0));
  }
  void TearDown() override { fake_cuda::set_current(nullptr); }

  static attnjit::MlaDecode make() {
    attnjit::ContextOptions options;
    options.cache_path = attnjit::test::kept_kernels();
    return {attnjit::Context(options), decode_config()};
  }
  static Sent sent(std::size_t launch) {
    Sent params;
    std::memcpy(&params, fake_cuda::state().launches.at(launch).parameter.data(), sizeof params);
    return params;
  }
};

TEST_F(MlaDecodeLaunch, OneCallIsTwoLaunchesOfTheSameParameter) {
  make().run(decode_params(), kStream);
  const auto& launches = fake_cuda::state().launches;
  ASSERT_EQ(launches.size(), 2u);
  EXPECT_EQ(launches[0].grid_x, 132u);  // 32 rows: one CTA of the middle tile on each SM
  EXPECT_EQ(launches[0].threads, 128u);
  EXPECT_FALSE(launches[0].overlaps_previous);
  EXPECT_EQ(launches[1].grid_x, 3u * 32);
  EXPECT_EQ(launches[1].threads, 256u);
  EXPECT_TRUE(launches[1].overlaps_previous);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(launches[i].stream, kStream);
    EXPECT_EQ(sent(i).partial_out, address(0x10000000));
    EXPECT_EQ(sent(i).combine_rows, 1);
  }
  EXPECT_TRUE(fake_cuda::state().allocations.empty());
}

TEST_F(MlaDecodeLaunch, ReservedMemoryServesTheCallsOfItsStream) {
  auto params = decode_params();
  params.workspace = {};
  {
    const attnjit::MlaDecode op = make();
    EXPECT_THROW(op.run(params, kStream), attnjit::Error);
    op.reserve(kStream, {.batch = 3, .max_seqlen_q = 2, .num_heads = 16});
    ASSERT_EQ(fake_cuda::state().allocations.size(), 1u);
    EXPECT_EQ(fake_cuda::state().allocations[0].bytes,
              op.workspace_bytes({.batch = 3, .max_seqlen_q = 2, .num_heads = 16}));
    EXPECT_THROW(op.run(params, nullptr), attnjit::Error);
    EXPECT_TRUE(fake_cuda::state().launches.empty());
    op.run(params, kStream);
    op.run(params, kStream);
    EXPECT_EQ(fake_cuda::state().allocations.size(), 1u) << "a call allocated";
    ASSERT_EQ(fake_cuda::state().launches.size(), 4u);
    EXPECT_EQ(sent(3).partial_out, reinterpret_cast<void*>(fake_cuda::kFirstAddress));
    // A copy shares it.
    const attnjit::MlaDecode copy = op;
    copy.run(params, kStream);
  }
  EXPECT_TRUE(fake_cuda::state().allocations[0].freed);
}

TEST_F(MlaDecodeLaunch, LentMemoryGoesBeforeReservedMemory) {
  const attnjit::MlaDecode op = make();
  op.reserve(kStream, {.batch = 3, .max_seqlen_q = 2, .num_heads = 16});
  op.run(decode_params(), kStream);
  EXPECT_EQ(sent(0).partial_out, address(0x10000000));
}

TEST_F(MlaDecodeLaunch, WithoutACurrentContextThePrimaryOneIsReservedInAndRunIn) {
  fake_cuda::set_current(nullptr);
  auto params = decode_params();
  params.workspace = {};
  const attnjit::MlaDecode op = make();
  op.reserve(kStream, {.batch = 3, .max_seqlen_q = 2, .num_heads = 16});
  op.run(params, kStream);
  EXPECT_EQ(fake_cuda::state().launches.size(), 2u);
  EXPECT_EQ(fake_cuda::state().allocations[0].context, fake_cuda::context_of(0));
}

TEST_F(MlaDecodeLaunch, NothingToDoNeedsNoWorkspace) {
  auto params = decode_params();
  params.workspace = {};
  params.q.shape[1] = params.out.shape[1] = params.lse.shape[1] = 0;
  make().run(params, kStream);
  EXPECT_TRUE(fake_cuda::state().launches.empty());
}

}  // namespace
