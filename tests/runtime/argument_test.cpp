// Every bad argument is found before a launch, and its error names the tensor, the value and what is allowed.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

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

struct BadArgument {
  const char* name;
  std::function<void(MhaVarlenParams&)> spoil;
  std::vector<std::string> words;  // the message holds them all
};

const std::vector<BadArgument>& bad_arguments() {
  static const std::vector<BadArgument> table{
      {"q_missing", [](auto& p) { p.q = {}; }, {"q_nope", "not given", "either q, or q_nope and q_pe"}},
      {"q_twice", [](auto& p) { p.q_nope = p.k_nope; }, {"q_nope is given", "either q"}},
      {"k_twice", [](auto& p) { p.k = p.q; }, {"k_nope is given", "either k"}},
      {"k_pe_missing", [](auto& p) { p.k_pe = {}; }, {"k_pe is not given", "[300, 16, 64]"}},
      {"v_missing", [](auto& p) { p.v = {}; }, {"v is not given", "bfloat16", "[any, any, 128]"}},
      {"v_null", [](auto& p) { p.v.data = nullptr; }, {"v has a null pointer", "[300, 16, 128]"}},
      {"v_dtype", [](auto& p) { p.v.dtype = DType::kFloat16; }, {"v has dtype float16", "bfloat16"}},
      {"v_columns", [](auto& p) { p.v.shape[2] = 64; }, {"v has shape [300, 16, 64]", "[any, any, 128]"}},
      {"v_rank", [](auto& p) { p.v.rank = 2; }, {"v has shape [300, 16]", "[any, any, 128]"}},
      {"v_misaligned", [](auto& p) { p.v.data = address(0x40008); }, {"v starts at 0x40008", "16 bytes"}},
      {"v_token_stride", [](auto& p) { p.v.strides[0] = 2052; }, {"v has stride 2052 in dim 0", "multiple of 8"}},
      {"v_columns_apart", [](auto& p) { p.v.strides[2] = 2; }, {"v has stride 2 in its last dim", "contiguous"}},
      {"v_negative", [](auto& p) { p.v.strides[1] = -128; }, {"v has stride -128 in dim 1", "0 or positive"}},
      {"k_tokens", [](auto& p) { p.k_nope.shape[0] = 299; }, {"k_nope has shape [299, 16, 128]", "[300, 16, 128]"}},
      {"k_pe_tokens", [](auto& p) { p.k_pe.shape[0] = 1; }, {"k_pe has shape [1, 64]", "[300, 64]"}},
      {"heads",
       [](auto& p) {
         p.v.shape[1] = 3;
         p.k_nope.shape[1] = 3;
       },
       {"16 query heads and 3 key/value heads", "multiple"}},
      {"out_missing", [](auto& p) { p.out = {}; }, {"out is not given"}},
      {"out_dtype", [](auto& p) { p.out.dtype = DType::kFloat32; }, {"out has dtype float32", "bfloat16"}},
      {"out_stride_0", [](auto& p) { p.out.strides[0] = 0; }, {"out has stride 0 in dim 0", "overlap"}},
      {"lse_dtype", [](auto& p) { p.lse.dtype = DType::kBFloat16; }, {"lse has dtype bfloat16", "float32"}},
      {"lse_shape", [](auto& p) { p.lse.shape = {16, 300}; }, {"lse has shape [16, 300]", "[300, 16]"}},
      {"lse_misaligned", [](auto& p) { p.lse.data = address(0x60002); }, {"lse starts at 0x60002", "4 bytes"}},
      {"scale_uninvited",
       [](auto& p) { p.out_scale = Tensor::contiguous(address(0x80000), DType::kFloat32, {1}); },
       {"out_scale is given", "float8_e4m3"}},
      {"cu_dtype", [](auto& p) { p.cu_seqlens_q.dtype = DType::kFloat32; }, {"cu_seqlens_q has dtype float32", "int32"}},
      {"cu_lengths", [](auto& p) { p.cu_seqlens_k.shape[0] = 4; }, {"cu_seqlens_k has shape [4]", "[3]"}},
      {"cu_empty",
       [](auto& p) { p.cu_seqlens_q.shape[0] = p.cu_seqlens_k.shape[0] = 0; },
       {"cu_seqlens_q and cu_seqlens_k are empty", "B + 1"}},
      {"max_negative", [](auto& p) { p.max_seqlen_q = -1; }, {"max_seqlen_q is -1"}},
      {"scale_zero", [](auto& p) { p.softmax_scale = 0; }, {"softmax_scale is 0", "finite and positive"}},
      {"scale_nan", [](auto& p) { p.softmax_scale = std::nanf(""); }, {"softmax_scale is nan"}},
      {"scale_inf",
       [](auto& p) { p.softmax_scale = std::numeric_limits<float>::infinity(); },
       {"softmax_scale is inf"}},
  };
  return table;
}

class BadArgumentTest : public testing::TestWithParam<BadArgument> {};

TEST_P(BadArgumentTest, IsNamedInTheError) {
  ASSERT_EQ(error_of(deepseek_config(), deepseek_params()), "");
  MhaVarlenParams params = deepseek_params();
  GetParam().spoil(params);
  const std::string error = error_of(deepseek_config(), params);
  for (const std::string& word : GetParam().words) {
    EXPECT_NE(error.find(word), std::string::npos) << "'" << word << "' is missing in: " << error;
  }
}

INSTANTIATE_TEST_SUITE_P(MhaVarlen, BadArgumentTest, testing::ValuesIn(bad_arguments()),
                         [](const auto& row) { return std::string(row.param.name); });

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
