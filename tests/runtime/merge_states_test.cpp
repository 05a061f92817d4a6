// merge_states before the driver is called: the kernel's parameter, which kernel a config gets, and the grid.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "operators/merge_states/kernels.h"
#include "tests/runtime/merge_states_case.h"

namespace {

using attnjit::DType;
using attnjit::MergeStatesConfig;
using attnjit::MergeStatesParams;
using attnjit::Tensor;
using attnjit::runtime::check_merge_states;
using attnjit::runtime::choose_merge_states;
using attnjit::test::address;
using attnjit::test::five_states;
using attnjit::test::merge_config;
using attnjit::test::two_states;

attnjit::runtime::SmFeatures features_of(const char* target) {
  return attnjit::runtime::sm_features(attnjit::jit::Target::parse(target));
}

TEST(MergeStatesCall, TwoStatesLieApart) {
  const auto call = check_merge_states(merge_config(), two_states());
  EXPECT_EQ(call.apart, 1);
  EXPECT_EQ(call.num_states, 2);
  EXPECT_EQ(call.rows, 300 * 16);
  EXPECT_EQ(call.num_heads, 16);
  EXPECT_EQ(call.first.out.data, address(0x10000));
  EXPECT_EQ(call.first.out.token_stride, 16 * 128);
  EXPECT_EQ(call.first.out.head_stride, 128);
  EXPECT_EQ(call.first.lse, address(0x20000));
  EXPECT_EQ(call.first.lse_token_stride, 1);
  EXPECT_EQ(call.first.lse_head_stride, 300);
  EXPECT_EQ(call.second.out.data, address(0x30000));
  EXPECT_EQ(call.second.lse, address(0x40000));
  EXPECT_EQ(call.out, address(0x50000));
  EXPECT_EQ(call.lse, address(0x60000));
  EXPECT_EQ(call.out_scale, nullptr);
}

TEST(MergeStatesCall, ManyStatesHaveAStride) {
  const auto call = check_merge_states(merge_config(), five_states());
  EXPECT_EQ(call.apart, 0);
  EXPECT_EQ(call.num_states, 5);
  EXPECT_EQ(call.out_state_stride, 300 * 16 * 128);
  EXPECT_EQ(call.lse_state_stride, 300 * 16);
  EXPECT_EQ(call.first.out.token_stride, 16 * 128);
  EXPECT_EQ(call.first.lse_token_stride, 16);
  EXPECT_EQ(call.first.lse_head_stride, 1);
}

TEST(MergeStatesCall, ResultsMayTakeThePlaceOfAState) {
  MergeStatesParams params = two_states();
  params.out = params.out_b;
  params.lse = params.lse_b;
  EXPECT_NO_THROW(check_merge_states(merge_config(), params));
  // out takes the place of the first of five states.
  params = five_states();
  params.out = Tensor::contiguous(params.outs.data, DType::kBFloat16, {300, 16, 128});
  EXPECT_NO_THROW(check_merge_states(merge_config(), params));
}

TEST(MergeStatesCall, NoTokensAndNoStatesAreNormal) {
  MergeStatesParams params = five_states();
  params.outs = Tensor::contiguous(nullptr, DType::kBFloat16, {0, 300, 16, 128});
  params.lses = Tensor::contiguous(nullptr, DType::kFloat32, {0, 300, 16});
  EXPECT_EQ(check_merge_states(merge_config(), params).num_states, 0);

  params = two_states();
  for (Tensor* tensor : {&params.out_a, &params.out_b, &params.out, &params.lse_a, &params.lse_b, &params.lse}) {
    tensor->data = nullptr;
    tensor->shape[0] = 0;
  }
  const auto call = check_merge_states(merge_config(), params);
  EXPECT_TRUE(choose_merge_states(merge_config(), features_of("sm_90a"))->schedule(call).empty());
}

TEST(MergeStatesPlan, OneKernelForEveryConfigOnEverySm) {
  for (const char* target : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100f", "sm_120f"}) {
    for (int head_dim = 16; head_dim <= 512; head_dim += 16) {
      const auto kernels = choose_merge_states({.head_dim = head_dim}, features_of(target));
      ASSERT_EQ(kernels->plans().size(), 1u);
      EXPECT_EQ(kernels->plans()[0].threads, 256);
      EXPECT_EQ(kernels->plans()[0].smem_bytes, 0);
    }
  }
}

TEST(MergeStatesPlan, TheConversionToE4M3FollowsTheSm) {
  const MergeStatesConfig config{.head_dim = 128, .out_dtype = DType::kFloat8E4M3};
  const auto json = [&](const char* target) {
    return choose_merge_states(config, features_of(target))->plans()[0].spec.config_json();
  };
  EXPECT_NE(json("sm_80").find("\"e4m3_cvt\":false"), std::string::npos);
  EXPECT_NE(json("sm_89").find("\"e4m3_cvt\":true"), std::string::npos);
  // Without e4m3 output all SMs share the kernel.
  const MergeStatesConfig plain{.head_dim = 128};
  EXPECT_EQ(choose_merge_states(plain, features_of("sm_80"))->plans()[0].spec.config_json(),
            choose_merge_states(plain, features_of("sm_90a"))->plans()[0].spec.config_json());
}

TEST(MergeStatesPlan, TheGridCoversAllRows) {
  const auto ctas = [&](int head_dim, std::int64_t rows) {
    attnjit::kernel::MergeStatesParams call{};
    call.rows = rows;
    return choose_merge_states({.head_dim = head_dim}, features_of("sm_90a"))->schedule(call)[0].ctas;
  };
  EXPECT_EQ(ctas(128, 0), 0u);
  EXPECT_EQ(ctas(128, 1), 1u);
  EXPECT_EQ(ctas(128, 16), 1u);  // 16 lanes per row
  EXPECT_EQ(ctas(128, 17), 2u);
  EXPECT_EQ(ctas(512, 9), 2u);  // 32 lanes per row
  EXPECT_EQ(ctas(16, 129), 2u);
  EXPECT_EQ(ctas(512, 8ll * std::numeric_limits<int>::max()), static_cast<unsigned>(std::numeric_limits<int>::max()));
  EXPECT_THROW(ctas(512, 8ll * std::numeric_limits<int>::max() + 1), attnjit::Error);
}

}  // namespace
