// What is a valid call, beyond what a plain one shows; bad ones are in tests/bad_input.
#include <gtest/gtest.h>

#include <string>

#include "attnjit/error.hpp"
#include "runtime/mha_varlen_call.h"
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

TEST(Arguments, InputsMayBeBroadcastAndTransposed) {
  auto params = deepseek_params();
  params.v.strides = {0, 128, 1};                // the same row for every token
  params.q.strides = {192, 192 * 300, 1};        // [H, T, d] seen as [T, H, d]
  params.k_nope.strides = {16 * 256, 256, 1};    // a view into a wider tensor
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
