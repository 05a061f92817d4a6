// Which kernels a config gets, and the grid that a call gets: everything decided before the driver is called.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "operators/mha_varlen/kernels.h"
#include "tests/runtime/mha_varlen_case.h"
#include "tests/support/would_launch.h"

namespace {

using attnjit::DType;
using attnjit::MhaVarlenConfig;
using attnjit::runtime::choose_mha_varlen;
using attnjit::runtime::sm_features;
using attnjit::test::deepseek_config;
using attnjit::test::deepseek_params;

attnjit::runtime::SmFeatures features_of(const char* target) {
  return sm_features(attnjit::jit::Target::parse(target));
}

int block_m_of(const attnjit::runtime::KernelPlan& plan) {
  for (const auto& field : plan.spec.fields) {
    if (field.name == "block_m") return std::stoi(field.json);
  }
  return 0;
}

/// For a call of the generic kernel.
int m_blocks_of(const attnjit::runtime::MhaVarlenKernels& kernels, const attnjit::runtime::MhaVarlenCall& call) {
  const attnjit::test_support::WouldLaunch<attnjit::kernel::MhaVarlenParams> would(kernels, call);
  return would.launches().at(0).args.m_blocks;
}

TEST(MhaVarlenPlan, EveryHeadDimFitsEverySm) {
  for (const char* target : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100f", "sm_120f"}) {
    const auto features = features_of(target);
    for (int qk = 16; qk <= 256; qk += 16) {
      for (int v = 16; v <= 256; v += 16) {
        for (const DType out : {DType::kBFloat16, DType::kFloat8E4M3}) {
          const MhaVarlenConfig config{.head_dim_qk = qk,
                                       .head_dim_v = v,
                                       .rope_dim = 0,
                                       .dtype = DType::kBFloat16,
                                       .causal = true,
                                       .out_dtype = out};
          const auto kernels = choose_mha_varlen(config, features);
          ASSERT_GE(kernels->plans().size(), 1u);
          ASSERT_LE(kernels->plans().size(), 4u);
          for (const auto& plan : kernels->plans()) {
            ASSERT_LE(plan.smem_bytes, features.smem_per_cta) << target << " " << qk << " " << v;
            ASSERT_EQ(plan.threads % 32, 0);
          }
        }
      }
    }
  }
}

TEST(MhaVarlenPlan, RefusalsNameTheNearestThatIsServed) {
  const auto features = features_of("sm_90a");
  const auto refusal = [&](auto spoil) -> std::string {
    MhaVarlenConfig config = deepseek_config();
    spoil(config);
    try {
      choose_mha_varlen(config, features);
    } catch (const attnjit::Error& error) {
      EXPECT_EQ(error.status(), attnjit::Status::kUnsupported);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refusal([](auto& c) { c.head_dim_v = 100; }).find("nearest that is served is 112"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.head_dim_qk = 512; }).find("mla_decode"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.head_dim_qk = 0; }).find("nearest that is served is 16"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.rope_dim = 208; }).find("rope_dim is 208"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.dtype = DType::kFloat32; }).find("dtype is float32"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.out_dtype = DType::kFloat16; }).find("out_dtype is float16"), std::string::npos);
  EXPECT_EQ(refusal([](auto&) {}), "");
}

TEST(MhaVarlenPlan, SupportsAnswersWithoutCompiling) {
  EXPECT_TRUE(attnjit::supports(deepseek_config(), "sm_80"));
  EXPECT_FALSE(attnjit::supports(deepseek_config(), "sm_75"));
  EXPECT_NE(attnjit::why_unsupported(deepseek_config(), "sm_none").find("sm_none"), std::string::npos);
}

TEST(MhaVarlenPlan, HopperFillsTheDeviceOnce) {
  const auto kernels = choose_mha_varlen(deepseek_config(), features_of("sm_90a"));
  EXPECT_EQ(kernels->plans()[0].spec.family, "sm90_mha_varlen");
  auto params = deepseek_params();  // 2 sequences x 16 heads x 200 rows: 64 tiles of 128 rows for 132 SMs
  auto call = attnjit::runtime::check_mha_varlen(deepseek_config(), params);
  auto launch = kernels->schedule(call)[0];
  EXPECT_EQ(block_m_of(kernels->plans()[launch.plan]), 64);
  EXPECT_EQ(launch.ctas, 2u * 16 * 4);
  params.q.shape[0] = params.out.shape[0] = params.lse.shape[0] = params.lse.strides[1] = 100'000;
  params.max_seqlen_q = 4001;
  call = attnjit::runtime::check_mha_varlen(deepseek_config(), params);
  launch = kernels->schedule(call)[0];
  EXPECT_EQ(block_m_of(kernels->plans()[launch.plan]), 128);
  EXPECT_EQ(launch.ctas, 132u);
}

TEST(MhaVarlenPlan, HopperTakesTheTileWhoseLastSmEndsFirst) {
  const auto rows_of_tile = [](int heads, int len_q, int len_k, bool causal) {
    MhaVarlenConfig config = deepseek_config();
    config.causal = causal;
    auto params = deepseek_params();
    for (attnjit::Tensor* t : {&params.q, &params.k_nope, &params.v, &params.out, &params.lse}) t->shape[1] = heads;
    for (attnjit::Tensor* t : {&params.q, &params.out, &params.lse}) t->shape[0] = len_q;
    for (attnjit::Tensor* t : {&params.q, &params.out}) t->strides[0] = heads * t->strides[1];
    params.lse.strides[1] = len_q;
    for (attnjit::Tensor* t : {&params.k_nope, &params.k_pe, &params.v}) t->shape[0] = len_k;
    params.cu_seqlens_q.shape[0] = params.cu_seqlens_k.shape[0] = 2;  // one sequence
    params.max_seqlen_q = len_q;
    params.max_seqlen_k = len_k;
    const auto kernels = choose_mha_varlen(config, features_of("sm_90a"));
    auto call = attnjit::runtime::check_mha_varlen(config, params);
    const auto launch = kernels->schedule(call)[0];
    return block_m_of(kernels->plans()[launch.plan]);
  };
  // 64 large tiles for 132 SMs.
  EXPECT_EQ(rows_of_tile(16, 512, 512, true), 64);
  EXPECT_EQ(rows_of_tile(16, 512, 512, false), 64);
  EXPECT_EQ(rows_of_tile(16, 128, 1024, false), 64);
  // 128 large tiles: used if all take equally long. With a causal mask the launch lasts as long as its longest tile,
  // and small tiles even out the load.
  EXPECT_EQ(rows_of_tile(16, 1024, 1024, false), 128);
  EXPECT_EQ(rows_of_tile(16, 1024, 1024, true), 64);
  // Nearly equal, since each tile sees at least 3072 keys.
  EXPECT_EQ(rows_of_tile(16, 1024, 4096, true), 128);
  // More than one tile per SM.
  EXPECT_EQ(rows_of_tile(16, 2048, 2048, true), 128);
  EXPECT_EQ(rows_of_tile(128, 512, 512, false), 128);
}

// The target sm_90, without its own instructions, gets the generic kernel.
TEST(MhaVarlenPlan, GridHasOneCtaPerTileHeadAndSequence) {
  const auto kernels = choose_mha_varlen(deepseek_config(), features_of("sm_90"));
  auto params = deepseek_params();
  params.q.shape[0] = params.out.shape[0] = params.lse.shape[0] = params.lse.strides[1] = 100'000;
  params.max_seqlen_q = 4001;
  auto call = attnjit::runtime::check_mha_varlen(deepseek_config(), params);
  const auto launch = kernels->schedule(call)[0];
  const int block_m = block_m_of(kernels->plans()[launch.plan]);
  EXPECT_EQ(block_m, 128);
  EXPECT_EQ(m_blocks_of(*kernels, call), 32);
  EXPECT_EQ(launch.ctas, 2u * 16 * 32);
}

TEST(MhaVarlenPlan, FewTilesGetTheSmallerOne) {
  const auto kernels = choose_mha_varlen(deepseek_config(), features_of("sm_90"));
  auto params = deepseek_params();  // 2 sequences x 16 heads x 200 rows: 64 tiles of 128 rows for 132 SMs
  auto call = attnjit::runtime::check_mha_varlen(deepseek_config(), params);
  const auto launch = kernels->schedule(call)[0];
  EXPECT_EQ(block_m_of(kernels->plans()[launch.plan]), 64);
  EXPECT_EQ(m_blocks_of(*kernels, call), 4);
  EXPECT_EQ(launch.ctas, 2u * 16 * 4);
}

TEST(MhaVarlenPlan, UpperBoundsBeyondTheTensorCostNothing) {
  const auto kernels = choose_mha_varlen(deepseek_config(), features_of("sm_90"));
  auto params = deepseek_params();
  params.max_seqlen_q = 1 << 30;
  auto call = attnjit::runtime::check_mha_varlen(deepseek_config(), params);
  EXPECT_LE(m_blocks_of(*kernels, call), 5);  // 300 tokens
}

/// The largest batch whose sizes fit 32 bits.
TEST(MhaVarlenPlan, AGridThatNoGpuHasIsRefused) {
  auto params = deepseek_params();
  for (attnjit::Tensor* t : {&params.q, &params.out, &params.lse}) t->shape[0] = (std::int64_t{1} << 31) - 1024;
  params.lse.strides = {16, 1};
  params.max_seqlen_q = std::numeric_limits<int>::max();
  params.cu_seqlens_q.shape[0] = params.cu_seqlens_k.shape[0] = 10;
  for (const char* const arch : {"sm_90", "sm_90a"}) {
    const auto kernels = choose_mha_varlen(deepseek_config(), features_of(arch));
    auto call = attnjit::runtime::check_mha_varlen(deepseek_config(), params);
    try {
      FAIL() << arch << ": " << kernels->schedule(call)[0].ctas << " CTAs are launched";
    } catch (const attnjit::Error& error) {
      EXPECT_EQ(error.status(), attnjit::Status::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find("9 sequences x 16 heads"), std::string::npos) << error.what();
    }
  }
}

TEST(MhaVarlenPlan, NothingToDoIsNoLaunch) {
  const auto kernels = choose_mha_varlen(deepseek_config(), features_of("sm_90a"));
  auto params = deepseek_params();
  params.max_seqlen_q = 0;
  auto call = attnjit::runtime::check_mha_varlen(deepseek_config(), params);
  EXPECT_TRUE(kernels->schedule(call).empty());
  params = deepseek_params();
  params.cu_seqlens_q.shape[0] = params.cu_seqlens_k.shape[0] = 1;  // no sequence
  call = attnjit::runtime::check_mha_varlen(deepseek_config(), params);
  EXPECT_TRUE(kernels->schedule(call).empty());
}

}  // namespace
