// merge_states: configs that no kernel supports, and arguments that no call may have.
#include <cstdint>

#include "tests/bad_input/machine.h"
#include "tests/bad_input/merge_states_operation.h"
#include "tests/bad_input/rows.h"

namespace attnjit::bad_input {
namespace {

using test::address;

struct BadArgument {
  const char* name;
  std::function<void(MergeStatesParams&)> spoil;
  std::vector<std::string> words;
};

std::vector<BadArgument> bad_arguments() {
  return {
      {"no_state",
       [](auto& p) { p.out_a = p.lse_a = p.out_b = p.lse_b = {}; },
       {"out_a is not given", "either out_a, lse_a, out_b and lse_b, or outs and lses"}},
      {"both_forms", [](auto& p) { p.outs = test::five_states().outs; }, {"out_a is given", "or outs and lses"}},
      {"lses_alone", [](auto& p) { p.lses = test::five_states().lses; }, {"lses is given", "either out_a"}},
      {"lse_a_missing", [](auto& p) { p.lse_a = {}; }, {"lse_a is not given", "float32 tensor [300, 16]"}},
      {"out_b_missing", [](auto& p) { p.out_b = {}; }, {"out_b is not given", "bfloat16 tensor [300, 16, 128]"}},
      {"lse_b_missing", [](auto& p) { p.lse_b = {}; }, {"lse_b is not given", "[300, 16]"}},
      {"out_b_tokens", [](auto& p) { p.out_b.shape[0] = 299; }, {"out_b has shape [299, 16, 128]", "[300, 16, 128]"}},
      {"out_a_columns", [](auto& p) { p.out_a.shape[2] = 64; }, {"out_a has shape [300, 16, 64]", "[any, any, 128]"}},
      {"out_a_dtype",
       [](auto& p) { p.out_a.dtype = DType::kFloat32; },
       {"out_a has dtype float32", "must be bfloat16"}},
      {"out_a_misaligned", [](auto& p) { p.out_a.data = address(0x10008); }, {"out_a starts at 0x10008", "16 bytes"}},
      {"out_a_stride", [](auto& p) { p.out_a.strides[0] = 2052; }, {"out_a has stride 2052 in dim 0", "multiple of 8"}},
      {"out_a_columns_apart", [](auto& p) { p.out_a.strides[2] = 2; }, {"out_a has stride 2 in its last dim"}},
      {"out_b_null", [](auto& p) { p.out_b.data = nullptr; }, {"out_b has a null pointer", "[300, 16, 128]"}},
      {"lse_a_dtype", [](auto& p) { p.lse_a.dtype = DType::kBFloat16; }, {"lse_a has dtype bfloat16", "float32"}},
      {"lse_b_shape",
       [](auto& p) {
         p.lse_b.shape = {16, 300};
       },
       {"lse_b has shape [16, 300]", "[300, 16]"}},
      {"lse_b_negative", [](auto& p) { p.lse_b.strides[0] = -1; }, {"lse_b has stride -1 in dim 0", "0 or positive"}},
      {"out_missing", [](auto& p) { p.out = {}; }, {"out is not given", "bfloat16 tensor [300, 16, 128]"}},
      {"out_stride_0", [](auto& p) { p.out.strides[1] = 0; }, {"out has stride 0 in dim 1", "overlap"}},
      {"out_overlaps",
       [](auto& p) {
         p.out.strides = {128, 128, 1};
       },
       {"out has stride 128 in dim 0", "may not overlap"}},
      {"rows_beyond_64_bits",
       [](auto& p) {
         for (Tensor* t : {&p.out_a, &p.lse_a, &p.out_b, &p.lse_b, &p.out, &p.lse}) {
           t->shape[0] = std::int64_t{1} << 62;
           t->shape[1] = 4;
         }
         for (Tensor* t : {&p.out_a, &p.lse_a, &p.out_b, &p.lse_b}) t->strides[0] = 0;
       },
       {"out of shape [4611686018427387904, 4, 128]", "more than 2^63 bytes"}},
      {"out_misaligned", [](auto& p) { p.out.data = address(0x50004); }, {"out starts at 0x50004", "16 bytes"}},
      {"out_null", [](auto& p) { p.out.data = nullptr; }, {"out has a null pointer", "[300, 16, 128]"}},
      {"out_negative", [](auto& p) { p.out.strides[0] = -2048; }, {"out has stride -2048 in dim 0", "positive"}},
      {"out_columns_apart", [](auto& p) { p.out.strides[2] = 2; }, {"out has stride 2 in its last dim", "must be 1"}},
      {"lse_null", [](auto& p) { p.lse.data = nullptr; }, {"lse has a null pointer", "[300, 16]"}},
      {"lse_misaligned", [](auto& p) { p.lse.data = address(0x60001); }, {"lse starts at 0x60001", "4 bytes"}},
      {"scale_uninvited",
       [](auto& p) { p.out_scale = Tensor::contiguous(address(0x80000), DType::kFloat32, {1}); },
       {"out_scale is given", "float8_e4m3"}},
      {"lses_missing",
       [](auto& p) {
         p = test::five_states();
         p.lses = {};
       },
       {"lses is not given", "[5, 300, 16]"}},
      {"lses_states",
       [](auto& p) {
         p = test::five_states();
         p.lses.shape[0] = 4;
       },
       {"lses has shape [4, 300, 16]", "[5, 300, 16]"}},
      {"outs_rank",
       [](auto& p) {
         p = test::five_states();
         p.outs.rank = 3;
       },
       {"outs has shape [5, 300, 16]", "[any, any, any, 128]"}},
      {"in_place_other_strides",
       [](auto& p) {
         p.out.data = p.out_b.data;
         p.out.strides = {128, 300 * 128, 1};
       },
       {"out and out_b start at the same address with different strides", "memory of its own"}},
      {"lse_in_place_other_strides",
       [](auto& p) {
         p.lse.data = p.lse_a.data;
         p.lse.strides = {16, 1};
       },
       {"lse and lse_a start at the same address with different strides", "give lse the layout of lse_a"}},
      {"outs_in_place_other_strides",
       [](auto& p) {
         p = test::five_states();
         p.out.data = p.outs.data;
         p.out.strides = {128, 300 * 128, 1};
       },
       {"out and outs start at the same address with different strides"}},
  };
}

struct BadConfig {
  const char* name;
  std::function<void(MergeStatesConfig&)> spoil;
  std::vector<std::string> words;
};

std::vector<BadConfig> bad_configs() {
  return {
      {"dim_not_a_multiple", [](auto& c) { c.head_dim = 120; }, {"head_dim is 120", "multiple of 16", "is 128"}},
      {"dim_too_large", [](auto& c) { c.head_dim = 576; }, {"head_dim is 576", "from 16 to 512", "is 512"}},
      {"dim_missing", [](auto& c) { c.head_dim = 0; }, {"head_dim is 0", "from 16 to 512", "is 16"}},
      {"dtype_not_served",
       [](auto& c) { c.dtype = DType::kFloat8E4M3; },
       {"dtype is float8_e4m3", "float32, bfloat16 and float16"}},
      {"out_dtype_not_served", [](auto& c) { c.out_dtype = DType::kInt32; }, {"out_dtype is int32", "float8_e4m3"}},
  };
}

Outcome attempt_e4m3(Api api, const std::function<void(MergeStatesOperation&)>& spoil) {
  MergeStatesOperation operation;
  operation.config.out_dtype = DType::kFloat8E4M3;
  operation.params.out.dtype = DType::kFloat8E4M3;
  operation.params.out_scale = Tensor::contiguous(address(0x80000), DType::kFloat32, {1});
  spoil(operation);
  return attempt(api, fake_device(), &operation);
}

}  // namespace

std::vector<Row> merge_states_rows() {
  std::vector<Row> rows;
  for (const BadConfig& bad : bad_configs()) {
    rows.push_back({std::string("merge_states_config_") + bad.name, Status::kUnsupported, bad.words, [=](Api api) {
                      MergeStatesOperation operation;
                      bad.spoil(operation.config);
                      return attempt(api, fake_device(), &operation);
                    }});
  }
  for (const BadArgument& bad : bad_arguments()) {
    rows.push_back({std::string("merge_states_") + bad.name, Status::kInvalidArgument, bad.words, [=](Api api) {
                      MergeStatesOperation operation;
                      bad.spoil(operation.params);
                      return attempt(api, fake_device(), &operation);
                    }});
  }
  rows.push_back({"merge_states_out_scale_missing",
                  Status::kInvalidArgument,
                  {"out_scale is not given", "float32 tensor [1]"},
                  [](Api api) { return attempt_e4m3(api, [](auto& operation) { operation.params.out_scale = {}; }); }});
  rows.push_back({"merge_states_in_place_other_type",
                  Status::kInvalidArgument,
                  {"out and out_a start at the same address with different types"},
                  [](Api api) {
                    return attempt_e4m3(
                        api, [](auto& operation) { operation.params.out.data = operation.params.out_a.data; });
                  }});
  return rows;
}

}  // namespace attnjit::bad_input
