// Masked attention and the kernel that builds masks, down to the driver: tiles, arguments, workspace.
#include <gtest/gtest.h>

#include <string>

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "operators/mask_from_topk/kernels.h"
#include "operators/masked_mha/call.h"
#include "operators/mha_varlen/kernels.h"
#include "operators/operator_config.h"
#include "tests/runtime/masked_mha_case.h"
#include "tests/support/would_launch.h"

namespace {

using attnjit::DType;
using attnjit::MaskedMhaConfig;
using attnjit::MaskedMhaParams;
using attnjit::MhaVarlenConfig;
using attnjit::Tensor;
using attnjit::runtime::check_masked_mha;
using attnjit::runtime::KeyMasking;
using attnjit::test::address;
using attnjit::test::masked_config;
using attnjit::test::masked_params;
using attnjit::test::topk_params;

attnjit::runtime::SmFeatures features_of(const char* target) {
  return attnjit::runtime::sm_features(attnjit::jit::Target::parse(target));
}

int field_of(const attnjit::runtime::KernelPlan& plan, const char* name) {
  for (const auto& field : plan.spec.fields) {
    if (field.name == name) return field.json == "true" ? 1 : field.json == "false" ? 0 : std::stoi(field.json);
  }
  ADD_FAILURE() << "no field " << name;
  return -1;
}

TEST(MaskedMhaPlan, EveryHeadDimFitsEverySm) {
  for (const char* target : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100f", "sm_120f"}) {
    const auto features = features_of(target);
    for (int qk = 16; qk <= 256; qk += 16) {
      for (int v = 16; v <= 256; v += 16) {
        for (const DType out : {DType::kBFloat16, DType::kFloat8E4M3}) {
          const MaskedMhaConfig config{{.head_dim_qk = qk, .head_dim_v = v, .out_dtype = out}};
          const auto plans = attnjit::runtime::plans(config, features);
          ASSERT_GE(plans.size(), 2u);
          ASSERT_LE(plans.size(), 4u);
          for (const auto& plan : plans) {
            ASSERT_LE(plan.smem_bytes, features.smem_per_cta) << target << " " << qk << " " << v;
            if (plan.spec.family == "mask_from_topk") continue;
            ASSERT_EQ(field_of(plan, "masked"), 1);
            // A key block is half a tile of the mask's tile bits, a whole tile, or two tiles.
            const auto block_n = field_of(plan, "block_n");
            ASSERT_TRUE(block_n == 32 || block_n == 64 || (block_n == 128 && plan.spec.family == "sm90_mha_varlen"));
          }
        }
      }
    }
  }
}

TEST(MaskedMhaPlan, AttentionWithoutAMaskHasItsOwnKernels) {
  for (const auto& plan : attnjit::runtime::plans(attnjit::test::deepseek_config(), features_of("sm_90"))) {
    EXPECT_EQ(field_of(plan, "masked"), 0);
  }
}

TEST(MaskedMhaPlan, PlansNameTheirOperator) {
  for (const auto& plan : attnjit::runtime::plans(masked_config(), features_of("sm_90a"))) {
    EXPECT_NE(plan.serves.json.find("\"operator\":\"masked_mha\""), std::string::npos) << plan.serves.json;
  }
}

TEST(MaskedMhaPlan, RefusalsNameOperatorAndNearest) {
  MaskedMhaConfig config = masked_config();
  config.attention.head_dim_v = 100;
  EXPECT_NE(attnjit::why_unsupported(config, "sm_90a").find("masked_mha: head_dim_v is 100"), std::string::npos);
  EXPECT_TRUE(attnjit::supports(masked_config(), "sm_80"));
  EXPECT_FALSE(attnjit::supports(masked_config(), "sm_75"));
  EXPECT_TRUE(attnjit::supports(attnjit::MaskFromTopkConfig{}, "sm_80"));
  EXPECT_FALSE(attnjit::supports(attnjit::MaskFromTopkConfig{}, "sm_75"));
}

TEST(MaskedMhaCall, AGivenMaskReachesTheKernel) {
  MaskedMhaParams params = masked_params();
  params.mask.strides[0] = 13;  // padded rows of 7 words, aligned to a word only
  params.key_offset = Tensor::contiguous(address(0x92000), DType::kInt32, {2});
  const auto call = check_masked_mha(masked_config(), params);
  EXPECT_FALSE(call.build.has_value());
  EXPECT_EQ(call.attention.params.mask.bits, address(0x90000));
  EXPECT_EQ(call.attention.params.mask.bits_stride, 13);
  EXPECT_EQ(call.attention.params.mask.words, 7);
  EXPECT_EQ(call.attention.params.mask.tiles, address(0x91000));
  EXPECT_EQ(call.attention.params.mask.tile_words, 1);
  EXPECT_EQ(call.attention.params.key_offset, address(0x92000));
}

TEST(MaskedMhaCall, IndicesAreMadeAMaskInTheWorkspace) {
  auto call = check_masked_mha(masked_config(), topk_params());
  ASSERT_TRUE(call.build.has_value());
  // 300 queries x 7 words (200 keys) at multiples of 8, then 300 / 64 + 2 rows of one word.
  const std::size_t bytes = attnjit::runtime::mask_bytes(*call.build);
  EXPECT_EQ(bytes, 300u * 8 * 4 + 32);
  EXPECT_EQ(bytes, attnjit::MaskedMha::workspace_bytes({.tokens_q = 300, .batch = 2, .max_positions = 200}));
  attnjit::runtime::place_mask(call, address(0x100000));
  EXPECT_EQ(call.build->params.mask.bits, address(0x100000));
  EXPECT_EQ(call.build->params.mask.tiles, address(0x100000 + 300 * 8 * 4));
  EXPECT_EQ(call.attention.params.mask.bits, address(0x100000));
  EXPECT_EQ(call.attention.params.mask.tiles, address(0x100000 + 300 * 8 * 4));
  EXPECT_EQ(call.attention.params.mask.words, 7);
  EXPECT_EQ(call.build->params.mask.bits_stride, 8);
  EXPECT_EQ(call.attention.params.mask.bits_stride, 8);
  EXPECT_EQ(call.build->params.topk, 33);
  EXPECT_EQ(call.build->params.batch, 2);
  EXPECT_EQ(call.build->params.seq_lens, nullptr);
}

TEST(MaskedMhaCall, WorkspaceOfLargerBoundsIsEnough) {
  const std::size_t needed = attnjit::MaskedMha::workspace_bytes({.tokens_q = 300, .batch = 2, .max_positions = 200});
  EXPECT_GE(attnjit::MaskedMha::workspace_bytes({.tokens_q = 301, .batch = 2, .max_positions = 200}), needed);
  EXPECT_GE(attnjit::MaskedMha::workspace_bytes({.tokens_q = 300, .batch = 3, .max_positions = 200}), needed);
  EXPECT_GE(attnjit::MaskedMha::workspace_bytes({.tokens_q = 300, .batch = 2, .max_positions = 201}), needed);
  EXPECT_THROW(attnjit::MaskedMha::workspace_bytes({.tokens_q = -1, .batch = 2, .max_positions = 201}), attnjit::Error);
}

attnjit::MaskFromTopkParams build_params(std::int64_t tokens, std::int64_t words) {
  return {.topk_indices = Tensor::contiguous(address(0x10000), DType::kInt32, {tokens, 2048}),
          .cu_seqlens_q = Tensor::contiguous(address(0x20000), DType::kInt32, {3}),
          .seq_lens = Tensor::contiguous(address(0x21000), DType::kInt32, {2}),
          .mask = Tensor::contiguous(address(0x30000), DType::kInt32, {tokens, words}),
          .mask_tiles = Tensor::contiguous(address(0x40000), DType::kInt32,
                                           {attnjit::mask_tile_rows(tokens, 2), attnjit::mask_tile_words(words)})};
}

/// {CTAs, parts, chunk_words}
std::vector<int> grid_of(std::int64_t tokens, std::int64_t words) {
  const auto call = attnjit::runtime::check_mask_from_topk(build_params(tokens, words));
  const auto kernels = attnjit::runtime::make_mask_from_topk(features_of("sm_90a"));
  const attnjit::test_support::WouldLaunch<attnjit::kernel::MaskFromTopkParams> would(*kernels, call);
  if (would.launches().empty()) return {0};
  const auto& launch = would.launches()[0];
  return {static_cast<int>(launch.ctas), launch.args.parts, launch.args.chunk_words};
}

TEST(MaskFromTopkPlan, IdleSmsGetHalfOfThePositions) {
  EXPECT_EQ(grid_of(4096, 128), (std::vector{2 * 66, 2, 64}));  // 132 SMs
  EXPECT_EQ(grid_of(4160, 128), (std::vector{67, 1, 128}));     // its row blocks take more than half of the SMs
  EXPECT_EQ(grid_of(8192, 256), (std::vector{130, 1, 256}));
  EXPECT_EQ(grid_of(1, 1), (std::vector{4, 2, 64}));
  EXPECT_EQ(grid_of(8192, 5000), (std::vector{130, 1, 512}));  // in several chunks
}

TEST(MaskFromTopkPlan, NothingToDoIsNoLaunch) {
  EXPECT_EQ(grid_of(0, 128)[0], 0);
  EXPECT_EQ(grid_of(64, 0)[0], 0);
}

TEST(OperatorText, OfMasksRoundTrips) {
  using namespace attnjit::runtime;
  for (const OperatorConfig& config :
       {OperatorConfig(masked_config()), OperatorConfig(attnjit::MaskFromTopkConfig{})}) {
    EXPECT_EQ(operator_config_from_json(to_json(config)), config) << to_json(config);
  }
  EXPECT_EQ(to_json(masked_config()),
            R"({"operator":"masked_mha","head_dim_qk":192,"head_dim_v":128,"rope_dim":64,"dtype":"bfloat16",)"
            R"("causal":true,"out_dtype":null})");
  try {
    operator_config_from_words({"operator=mask_from_topk", "topk=3"});
    FAIL();
  } catch (const attnjit::Error& error) {
    EXPECT_NE(std::string(error.what()).find("has no field \"topk\": allowed are none"), std::string::npos);
  }
}

}  // namespace
