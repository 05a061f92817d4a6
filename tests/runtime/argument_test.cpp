// Valid calls beyond the plain ones; for invalid calls see tests/bad_input.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "attnjit/error.hpp"
#include "operators/mha_varlen/call.h"
#include "runtime/checked.h"
#include "tests/runtime/mha_varlen_case.h"

namespace {

using attnjit::DType;
using attnjit::MhaVarlenParams;
using attnjit::Tensor;
using attnjit::test::address;
using attnjit::test::deepseek_config;
using attnjit::test::deepseek_params;

std::string error_of(const attnjit::MhaVarlenConfig& config, const MhaVarlenParams& params) {
  try {
    attnjit::runtime::check_mha_varlen(config, params);
    return "";
  } catch (const attnjit::Error& error) {
    EXPECT_EQ(error.status(), attnjit::Status::kInvalidArgument);
    return error.what();
  }
}

TEST(Arguments, Fp8OutputNeedsItsScale) {
  auto config = deepseek_config();
  config.out_dtype = DType::kFloat8E4M3;
  auto params = deepseek_params();
  params.out.dtype = DType::kFloat8E4M3;
  EXPECT_NE(error_of(config, params).find("out_scale is not given"), std::string::npos);
  params.out_scale = Tensor::contiguous(address(0x80000), DType::kFloat32, {1});
  EXPECT_EQ(error_of(config, params), "");
}

TEST(Arguments, EmptyTensorsMayBeNull) {
  auto params = deepseek_params();
  params.q = Tensor::contiguous(nullptr, DType::kBFloat16, {0, 16, 192});
  params.out = Tensor::contiguous(nullptr, DType::kBFloat16, {0, 16, 128});
  params.lse = Tensor::contiguous(nullptr, DType::kFloat32, {0, 16});
  EXPECT_EQ(error_of(deepseek_config(), params), "");
}

TEST(Arguments, StridesOfEmptyTensorsMeanNothing) {
  auto config = deepseek_config();
  config.head_dim_qk = config.rope_dim = 64;
  auto params = deepseek_params();
  // No columns, as PyTorch makes it: [300, 16, 0] has strides (16, 1, 1).
  params.q = {};
  params.q_nope = Tensor::strided(nullptr, DType::kBFloat16, {300, 16, 0}, {16, 1, 1});
  params.q_pe = Tensor::contiguous(address(0x10000), DType::kBFloat16, {300, 16, 64});
  params.k_nope = Tensor::strided(nullptr, DType::kBFloat16, {300, 16, 0}, {16, 1, 1});
  EXPECT_EQ(error_of(config, params), "");

  // No keys, sliced from a wider tensor.
  params = deepseek_params();
  params.v = Tensor::strided(nullptr, DType::kBFloat16, {0, 2, 128}, {300, 150, 2});
  params.k_nope = Tensor::strided(nullptr, DType::kBFloat16, {0, 2, 128}, {7, 3, 2});
  params.k_pe = Tensor::strided(nullptr, DType::kBFloat16, {0, 64}, {3, 3});
  EXPECT_EQ(error_of(deepseek_config(), params), "");
}

TEST(Arguments, OutputsMayBePermutedAndSliced) {
  auto params = deepseek_params();
  params.out.strides = {128, 128 * 300, 1};  // [H, T, d] seen as [T, H, d]
  EXPECT_EQ(error_of(deepseek_config(), params), "");
  params.out.strides = {16 * 512, 512, 1};  // columns of a wider tensor
  EXPECT_EQ(error_of(deepseek_config(), params), "");
  params.lse.strides = {16, 1};
  EXPECT_EQ(error_of(deepseek_config(), params), "");
  params.lse.strides = {1, 300};
  EXPECT_EQ(error_of(deepseek_config(), params), "");
}

TEST(Arguments, CheckedNumbersNeverWrap) {
  using attnjit::runtime::Checked;
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_TRUE((Checked(kMost) * 1).at_most(kMost));
  EXPECT_FALSE((Checked(kMost) * 2).fits());
  EXPECT_FALSE((Checked(kMost) + 1).fits());
  EXPECT_FALSE((Checked(kMost) * 2 * 0).fits()) << "what was lost stays lost";
  EXPECT_EQ(Checked(kMost).pieces_of(64).value(), std::int64_t{1} << 57);
  EXPECT_EQ(Checked(0).pieces_of(64).value(), 0);
  EXPECT_EQ(Checked(65).pieces_of(64).value(), 2);
}

TEST(Arguments, InputsMayBeBroadcastAndTransposed) {
  auto params = deepseek_params();
  params.v.strides = {0, 128, 1};              // the same row for every token
  params.q.strides = {192, 192 * 300, 1};      // [H, T, d] seen as [T, H, d]
  params.k_nope.strides = {16 * 256, 256, 1};  // a view into a wider tensor
  EXPECT_EQ(error_of(deepseek_config(), params), "");
}

TEST(Arguments, JointAndSplitFormsSayTheSame) {
  auto params = deepseek_params();
  const auto split = attnjit::runtime::check_mha_varlen(deepseek_config(), params).params;
  EXPECT_EQ(split.k_nope.data, address(0x20000));
  EXPECT_EQ(split.k_pe.data, address(0x30000));
  EXPECT_EQ(split.k_pe.token_stride, 64);
  EXPECT_EQ(split.k_pe.head_stride, 0);  // one row for all heads
  EXPECT_EQ(split.q_nope.data, address(0x10000));
  EXPECT_EQ(split.q_pe.data, address(0x10000 + 128 * 2));
  EXPECT_EQ(split.q_pe.head_stride, 192);

  params.k_nope = params.k_pe = {};
  params.k = Tensor::contiguous(address(0x20000), DType::kBFloat16, {300, 16, 192});
  const auto joint = attnjit::runtime::check_mha_varlen(deepseek_config(), params).params;
  EXPECT_EQ(joint.k_nope.data, address(0x20000));
  EXPECT_EQ(joint.k_pe.data, address(0x20000 + 128 * 2));
  EXPECT_EQ(joint.k_pe.head_stride, 192);
  EXPECT_EQ(joint.lse_token_stride, 1);
  EXPECT_EQ(joint.lse_head_stride, 300);
  EXPECT_FLOAT_EQ(joint.softmax_scale_log2, 0.0722f * 1.44269504f);
}

}  // namespace
