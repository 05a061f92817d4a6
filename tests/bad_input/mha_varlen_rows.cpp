// mha_varlen: configs that no kernel supports, and arguments that no call may have.
#include <cmath>
#include <cstdint>
#include <limits>

#include "tests/bad_input/machine.h"
#include "tests/bad_input/mha_varlen_operation.h"
#include "tests/bad_input/rows.h"

namespace attnjit::bad_input {
namespace {

using test::address;

struct BadArgument {
  const char* name;
  std::function<void(MhaVarlenParams&)> spoil;
  std::vector<std::string> words;
};

std::vector<BadArgument> bad_arguments() {
  return {
      {"q_missing", [](auto& p) { p.q = {}; }, {"q_nope", "not given", "either q, or q_nope and q_pe"}},
      {"q_twice", [](auto& p) { p.q_nope = p.k_nope; }, {"q_nope is given", "either q"}},
      {"k_twice", [](auto& p) { p.k = p.q; }, {"k_nope is given", "either k"}},
      {"k_pe_missing", [](auto& p) { p.k_pe = {}; }, {"k_pe is not given", "[300, 16, 64]"}},
      {"v_missing", [](auto& p) { p.v = {}; }, {"v is not given", "bfloat16", "[any, any, 128]"}},
      {"v_null",
       [](auto& p) { p.v.data = nullptr; },
       {"v has a null pointer", "[300, 16, 128]", "only a tensor of no elements"}},
      {"v_dtype",
       [](auto& p) { p.v.dtype = DType::kFloat16; },
       {"v has dtype float16", "must be bfloat16", "convert it"}},
      {"v_columns", [](auto& p) { p.v.shape[2] = 64; }, {"v has shape [300, 16, 64]", "[any, any, 128]"}},
      {"v_rank", [](auto& p) { p.v.rank = 2; }, {"v has shape [300, 16]", "[any, any, 128]"}},
      {"v_misaligned",
       [](auto& p) { p.v.data = address(0x40008); },
       {"v starts at 0x40008", "multiple of 16 bytes", "copy it"}},
      {"out_misaligned", [](auto& p) { p.out.data = address(0x50002); }, {"out starts at 0x50002", "16 bytes"}},
      {"out_null", [](auto& p) { p.out.data = nullptr; }, {"out has a null pointer", "[300, 16, 128]"}},
      {"out_negative", [](auto& p) { p.out.strides[0] = -8; }, {"out has stride -8 in dim 0", "positive"}},
      {"q_columns_apart", [](auto& p) { p.q.strides[2] = 3; }, {"q has stride 3 in its last dim", "must be 1"}},
      {"q_null", [](auto& p) { p.q.data = nullptr; }, {"q has a null pointer", "[300, 16, 192]"}},
      {"cu_null", [](auto& p) { p.cu_seqlens_k.data = nullptr; }, {"cu_seqlens_k has a null pointer", "[3]"}},
      {"cu_apart", [](auto& p) { p.cu_seqlens_q.strides[0] = 2; }, {"cu_seqlens_q has stride 2", "contiguous"}},
      {"v_token_stride",
       [](auto& p) { p.v.strides[0] = 2052; },
       {"v has stride 2052 in dim 0", "multiple of 8", "pad the rows"}},
      {"v_columns_apart",
       [](auto& p) { p.v.strides[2] = 2; },
       {"v has stride 2 in its last dim", "must be 1", "make the rows contiguous"}},
      {"v_negative",
       [](auto& p) { p.v.strides[1] = -128; },
       {"v has stride -128 in dim 1", "0 or positive", "copy it"}},
      {"k_tokens", [](auto& p) { p.k_nope.shape[0] = 299; }, {"k_nope has shape [299, 16, 128]", "[300, 16, 128]"}},
      {"k_pe_tokens", [](auto& p) { p.k_pe.shape[0] = 1; }, {"k_pe has shape [1, 64]", "[300, 64]"}},
      {"heads",
       [](auto& p) {
         p.v.shape[1] = 3;
         p.k_nope.shape[1] = 3;
       },
       {"16 query heads and 3 key/value heads", "multiple"}},
      {"out_missing", [](auto& p) { p.out = {}; }, {"out is not given", "bfloat16 tensor [300, 16, 128]"}},
      {"out_dtype",
       [](auto& p) { p.out.dtype = DType::kFloat32; },
       {"out has dtype float32", "must be bfloat16", "allocate it so"}},
      {"out_stride_0", [](auto& p) { p.out.strides[0] = 0; }, {"out has stride 0 in dim 0", "overlap"}},
      {"out_heads_overlap",
       [](auto& p) {
         p.out.strides = {128, 128, 1};
       },
       {"out has stride 128 in dim 0", "other dims reach over 2048", "may not overlap"}},
      {"out_tokens_overlap",
       [](auto& p) {
         p.out.strides = {8, 300 * 8, 1};
       },
       {"out has stride 8 in dim 0", "other dims reach over 128", "may not overlap"}},
      {"out_rows_overlap",
       [](auto& p) {
         p.out.strides = {2048, 8, 1};
       },
       {"out has stride 8 in dim 1", "other dims reach over 128", "may not overlap"}},
      {"lse_overlaps",
       [](auto& p) {
         p.lse.strides = {1, 299};
       },
       {"lse has stride 299 in dim 1", "other dims reach over 300", "may not overlap"}},
      {"v_reaches_too_far",
       [](auto& p) { p.v.strides[0] = std::int64_t{1} << 60; },
       {"v of shape [300, 16, 128] with strides [1152921504606846976, 128, 1]", "more than 2^63 bytes"}},
      {"sequences_beyond_32_bits",
       [](auto& p) { p.cu_seqlens_q.shape[0] = p.cu_seqlens_k.shape[0] = (std::int64_t{1} << 32) + 2; },
       {"4294967297 sequences", "at most 2^31 - 1024"}},
      {"tokens_beyond_32_bits",
       [](auto& p) {
         for (Tensor* t : {&p.q, &p.out, &p.lse}) t->shape[0] = std::int64_t{1} << 31;
         p.lse.strides = {16, 1};
       },
       {"2147483648 query tokens", "at most 2^31 - 1024"}},
      {"more_tiles_than_are_counted",
       [](auto& p) {
         for (Tensor* t : {&p.q, &p.out, &p.lse}) t->shape[0] = (std::int64_t{1} << 31) - 1024;
         p.lse.strides = {16, 1};
         p.max_seqlen_q = std::numeric_limits<int>::max();
         p.cu_seqlens_q.shape[0] = p.cu_seqlens_k.shape[0] = 10;
       },
       {"9 sequences x 16 heads of up to 2147482624 queries", "give a tighter max_seqlen_q"}},
      {"lse_dtype", [](auto& p) { p.lse.dtype = DType::kBFloat16; }, {"lse has dtype bfloat16", "float32"}},
      {"lse_shape",
       [](auto& p) {
         p.lse.shape = {16, 300};
       },
       {"lse has shape [16, 300]", "[300, 16]"}},
      {"lse_misaligned",
       [](auto& p) { p.lse.data = address(0x60002); },
       {"lse starts at 0x60002", "multiple of 4 bytes"}},
      {"scale_uninvited",
       [](auto& p) { p.out_scale = Tensor::contiguous(address(0x80000), DType::kFloat32, {1}); },
       {"out_scale is given", "float8_e4m3"}},
      {"cu_dtype",
       [](auto& p) { p.cu_seqlens_q.dtype = DType::kFloat32; },
       {"cu_seqlens_q has dtype float32", "must be int32"}},
      {"cu_lengths", [](auto& p) { p.cu_seqlens_k.shape[0] = 4; }, {"cu_seqlens_k has shape [4]", "[3]"}},
      {"cu_empty",
       [](auto& p) { p.cu_seqlens_q.shape[0] = p.cu_seqlens_k.shape[0] = 0; },
       {"cu_seqlens_q and cu_seqlens_k are empty", "B + 1"}},
      {"max_negative", [](auto& p) { p.max_seqlen_q = -2; }, {"max_seqlen_q is -2", "0 or more"}},
      {"max_q_forgotten",
       [](auto& p) { p.max_seqlen_q = MhaVarlenParams().max_seqlen_q; },
       {"max_seqlen_q is not given", "upper bound", "0 where all are empty"}},
      {"max_k_forgotten",
       [](auto& p) { p.max_seqlen_k = attnjit_mha_varlen_params(ATTNJIT_MHA_VARLEN_PARAMS_INIT).max_seqlen_k; },
       {"max_seqlen_k is not given", "upper bound"}},
      {"scale_zero", [](auto& p) { p.softmax_scale = 0; }, {"softmax_scale is 0", "finite and positive"}},
      {"scale_nan", [](auto& p) { p.softmax_scale = std::nanf(""); }, {"softmax_scale is nan", "finite and positive"}},
      {"scale_inf",
       [](auto& p) { p.softmax_scale = std::numeric_limits<float>::infinity(); },
       {"softmax_scale is inf", "finite and positive", "1 / sqrt(head_dim_qk)"}},
      {"scale_times_log2e_inf",
       [](auto& p) { p.softmax_scale = std::numeric_limits<float>::max(); },
       {"softmax_scale is 3.4028235e+38", "also times log2(e)"}},
  };
}

struct BadConfig {
  const char* name;
  std::function<void(MhaVarlenConfig&)> spoil;
  std::vector<std::string> words;
};

std::vector<BadConfig> bad_configs() {
  return {
      {"dim_not_a_multiple", [](auto& c) { c.head_dim_qk = 200; }, {"head_dim_qk is 200", "multiple of 16", "is 208"}},
      {"dim_too_large", [](auto& c) { c.head_dim_v = 272; }, {"head_dim_v is 272", "from 16 to 256", "mla_decode"}},
      {"dim_of_mla_absorbed",
       [](auto& c) { c.head_dim_qk = 576; },
       {"head_dim_qk is 576", "mla_decode", "512 + rope_dim 64"}},
      {"dim_missing", [](auto& c) { c.head_dim_qk = 0; }, {"head_dim_qk is 0", "from 16 to 256", "is 16"}},
      {"rope_dim_too_large",
       [](auto& c) { c.rope_dim = 208; },
       {"rope_dim is 208", "from 0 to head_dim_qk (192)", "the sum of both parts"}},
      {"rope_dim_not_a_multiple", [](auto& c) { c.rope_dim = 40; }, {"rope_dim is 40", "pad both parts"}},
      {"rope_dim_negative", [](auto& c) { c.rope_dim = -16; }, {"rope_dim is -16", "from 0 to head_dim_qk (192)"}},
      {"dtype_not_served", [](auto& c) { c.dtype = DType::kFloat32; }, {"dtype is float32", "bfloat16 and float16"}},
      {"out_dtype_not_served",
       [](auto& c) { c.out_dtype = DType::kFloat16; },
       {"out_dtype is float16", "bfloat16 (the input's) and float8_e4m3"}},
  };
}

/// e4m3 output without its scale.
Outcome no_out_scale(Api api) {
  MhaVarlenOperation operation;
  operation.config.out_dtype = DType::kFloat8E4M3;
  operation.params.out.dtype = DType::kFloat8E4M3;
  return attempt(api, fake_device(), &operation);
}

}  // namespace

std::vector<Row> mha_varlen_rows() {
  std::vector<Row> rows;
  for (const BadConfig& bad : bad_configs()) {
    rows.push_back({std::string("mha_varlen_config_") + bad.name, Status::kUnsupported, bad.words, [=](Api api) {
                      MhaVarlenOperation operation;
                      bad.spoil(operation.config);
                      return attempt(api, fake_device(), &operation);
                    }});
  }
  for (const BadArgument& bad : bad_arguments()) {
    rows.push_back({std::string("mha_varlen_") + bad.name, Status::kInvalidArgument, bad.words, [=](Api api) {
                      MhaVarlenOperation operation;
                      bad.spoil(operation.params);
                      return attempt(api, fake_device(), &operation);
                    }});
  }
  rows.push_back({"mha_varlen_out_scale_missing",
                  Status::kInvalidArgument,
                  {"out_scale is not given", "float32 tensor [1]"},
                  no_out_scale});
  return rows;
}

}  // namespace attnjit::bad_input
