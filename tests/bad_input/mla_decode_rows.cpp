// mla_decode: configs that no kernel supports, and arguments that no call may have.
#include <cmath>

#include "tests/bad_input/machine.h"
#include "tests/bad_input/mla_decode_operation.h"
#include "tests/bad_input/rows.h"

namespace attnjit::bad_input {
namespace {

using test::address;

Tensor ints(std::initializer_list<std::int64_t> shape) {
  return Tensor::contiguous(address(0x370000), DType::kInt32, shape);
}

struct BadArgument {
  const char* name;
  std::function<void(MlaDecodeParams&)> spoil;
  std::vector<std::string> words;
};

std::vector<BadArgument> bad_queries_and_outputs() {
  return {
      {"q_missing", [](auto& p) { p.q = {}; }, {"q_nope is not given", "either q, or q_nope and q_pe"}},
      {"q_twice", [](auto& p) { p.q_nope = p.q; }, {"q_nope is given", "either q"}},
      {"q_pe_missing",
       [](auto& p) {
         p.q_nope = p.q;
         p.q_nope.shape[3] = 512;
         p.q = {};
       },
       {"q_pe is not given", "[3, 2, 16, 64]"}},
      {"q_packed_without_lengths",
       [](auto& p) { p.q = test::packed_decode_params().q; },
       {"q has 3 dims", "[B, s_q, H, columns]", "give cu_seqlens_q"}},
      {"q_not_packed_with_lengths",
       [](auto& p) { p.cu_seqlens_q = ints({4}); },
       {"q has 4 dims", "[Tq, H, columns], since cu_seqlens_q is given"}},
      {"q_columns", [](auto& p) { p.q.shape[3] = 512; }, {"q has shape [3, 2, 16, 512]", "[3, 2, 16, 576]"}},
      {"q_dtype", [](auto& p) { p.q.dtype = DType::kFloat16; }, {"q has dtype float16", "must be bfloat16"}},
      {"q_misaligned", [](auto& p) { p.q.data = address(0x100008); }, {"q starts at 0x100008", "16 bytes"}},
      {"q_stride", [](auto& p) { p.q.strides[2] = 580; }, {"q has stride 580 in dim 2", "multiple of 8"}},
      {"q_negative", [](auto& p) { p.q.strides[0] = -18432; }, {"q has stride -18432 in dim 0", "0 or positive"}},
      {"q_columns_apart", [](auto& p) { p.q.strides[3] = 2; }, {"q has stride 2 in its last dim", "must be 1"}},
      {"q_null", [](auto& p) { p.q.data = nullptr; }, {"q has a null pointer", "[3, 2, 16, 576]"}},
      {"heads_too_many",
       [](auto& p) { p.q.shape[2] = p.out.shape[2] = p.lse.shape[2] = 129; },
       {"129 heads", "1 to 128", "split them"}},
      {"heads_none", [](auto& p) { p.q.shape[2] = 0; }, {"0 heads", "1 to 128"}},
      {"out_missing", [](auto& p) { p.out = {}; }, {"out is not given", "bfloat16 tensor [3, 2, 16, 512]"}},
      {"out_columns",
       [](auto& p) { p.out.shape[3] = 576; },
       {"out has shape [3, 2, 16, 576]", "[3, 2, 16, 512]: allocate it so"}},
      {"out_stride_0", [](auto& p) { p.out.strides[1] = 0; }, {"out has stride 0 in dim 1", "overlap"}},
      {"out_misaligned", [](auto& p) { p.out.data = address(0x400008); }, {"out starts at 0x400008", "16 bytes"}},
      {"out_null", [](auto& p) { p.out.data = nullptr; }, {"out has a null pointer", "[3, 2, 16, 512]"}},
      {"out_negative", [](auto& p) { p.out.strides[2] = -512; }, {"out has stride -512 in dim 2", "positive"}},
      {"out_columns_apart", [](auto& p) { p.out.strides[3] = 3; }, {"out has stride 3 in its last dim", "must be 1"}},
      {"lse_null", [](auto& p) { p.lse.data = nullptr; }, {"lse has a null pointer", "[3, 2, 16]"}},
      {"lse_misaligned", [](auto& p) { p.lse.data = address(0x500002); }, {"lse starts at 0x500002", "4 bytes"}},
      {"lse_negative", [](auto& p) { p.lse.strides[1] = -1; }, {"lse has stride -1 in dim 1", "positive"}},
      {"lse_shape",
       [](auto& p) {
         p.lse.shape = {3, 16, 2};
       },
       {"lse has shape [3, 16, 2]", "[3, 2, 16]"}},
      {"lse_dtype", [](auto& p) { p.lse.dtype = DType::kBFloat16; }, {"lse has dtype bfloat16", "float32"}},
      {"out_scale_uninvited",
       [](auto& p) { p.out_scale = Tensor::contiguous(address(0x80000), DType::kFloat32, {1}); },
       {"out_scale is given", "float8_e4m3"}},
      {"softmax_scale_zero", [](auto& p) { p.softmax_scale = 0; }, {"softmax_scale is 0", "finite and positive"}},
      {"softmax_scale_nan", [](auto& p) { p.softmax_scale = std::nanf(""); }, {"softmax_scale is nan"}},
  };
}

std::vector<BadArgument> bad_caches_and_lengths() {
  return {
      {"cache_missing", [](auto& p) { p.cache = {}; }, {"latent is not given", "either cache, or latent and rope"}},
      {"cache_twice", [](auto& p) { p.rope = p.cache; }, {"rope is given", "either cache"}},
      {"rope_missing",
       [](auto& p) {
         p.latent = p.cache;
         p.latent.shape[2] = 512;
         p.cache = {};
       },
       {"rope is not given", "[40, 64, 64]"}},
      {"cache_page_size", [](auto& p) { p.cache.shape[1] = 32; }, {"cache has shape [40, 32, 576]", "[any, 64, 576]"}},
      {"cache_columns", [](auto& p) { p.cache.shape[2] = 656; }, {"cache has shape [40, 64, 656]", "[any, 64, 576]"}},
      {"cache_dtype",
       [](auto& p) { p.cache.dtype = DType::kFloat8E4M3; },
       {"cache has dtype float8_e4m3", "must be bfloat16"}},
      {"cache_null", [](auto& p) { p.cache.data = nullptr; }, {"cache has a null pointer", "[40, 64, 576]"}},
      {"cache_misaligned", [](auto& p) { p.cache.data = address(0x200004); }, {"cache starts at 0x200004", "16 bytes"}},
      {"cache_negative",
       [](auto& p) { p.cache.strides[1] = -576; },
       {"cache has stride -576 in dim 1", "0 or positive"}},
      {"cache_columns_apart",
       [](auto& p) { p.cache.strides[2] = 2; },
       {"cache has stride 2 in its last dim", "must be 1"}},
      {"cache_stride", [](auto& p) { p.cache.strides[1] = 577; }, {"cache has stride 577 in dim 1", "multiple of 8"}},
      {"cache_scale_uninvited",
       [](auto& p) { p.cache_scale = Tensor::contiguous(address(0x80000), DType::kFloat32, {1}); },
       {"cache_scale is given", "cache_format e4m3"}},
      {"pages_missing",
       [](auto& p) { p.block_table = {}; },
       {"kv_indptr is not given", "either block_table, or kv_indptr and kv_indices"}},
      {"pages_twice", [](auto& p) { p.kv_indptr = ints({4}); }, {"kv_indptr is given", "either block_table"}},
      {"block_table_batch", [](auto& p) { p.block_table.shape[0] = 2; }, {"block_table has shape [2, 10]", "[3, any]"}},
      {"block_table_null",
       [](auto& p) { p.block_table.data = nullptr; },
       {"block_table has a null pointer", "[3, 10]"}},
      {"block_table_misaligned",
       [](auto& p) { p.block_table.data = address(0x300002); },
       {"block_table starts at 0x300002", "4 bytes"}},
      {"block_table_negative",
       [](auto& p) { p.block_table.strides[0] = -10; },
       {"block_table has stride -10 in dim 0", "0 or positive"}},
      {"block_table_apart",
       [](auto& p) {
         p.block_table.strides = {20, 2};
       },
       {"block_table has stride 2 in its last dim", "contiguous"}},
      {"block_table_dtype",
       [](auto& p) { p.block_table.dtype = DType::kFloat32; },
       {"block_table has dtype float32", "must be int32"}},
      {"kv_indptr_short",
       [](auto& p) {
         p.block_table = {};
         p.kv_indptr = ints({3});
         p.kv_indices = ints({9});
       },
       {"kv_indptr has shape [3]", "[4]"}},
      {"kv_indices_missing",
       [](auto& p) {
         p.block_table = {};
         p.kv_indptr = ints({4});
       },
       {"kv_indices is not given", "int32"}},
      {"seq_lens_missing", [](auto& p) { p.seq_lens = {}; }, {"seq_lens is not given", "int32 tensor [3]"}},
      {"seq_lens_batch", [](auto& p) { p.seq_lens.shape[0] = 4; }, {"seq_lens has shape [4]", "[3]"}},
      {"seq_lens_null", [](auto& p) { p.seq_lens.data = nullptr; }, {"seq_lens has a null pointer", "[3]"}},
      {"seq_lens_apart", [](auto& p) { p.seq_lens.strides[0] = 2; }, {"seq_lens has stride 2", "make it contiguous"}},
      {"seq_lens_dtype", [](auto& p) { p.seq_lens.dtype = DType::kFloat32; }, {"seq_lens has dtype float32", "int32"}},
      {"cu_seqlens_q_null",
       [](auto& p) {
         p = test::packed_decode_params();
         p.cu_seqlens_q.data = nullptr;
       },
       {"cu_seqlens_q has a null pointer", "[4]"}},
      {"cu_seqlens_q_short",
       [](auto& p) {
         p = test::packed_decode_params();
         p.cu_seqlens_q.shape[0] = 3;
       },
       {"cu_seqlens_q has shape [3]", "[4]"}},
      {"max_seqlen_q_negative",
       [](auto& p) {
         p = test::packed_decode_params();
         p.max_seqlen_q = -2;
       },
       {"max_seqlen_q is -2", "0 or more"}},
      {"max_seqlen_q_forgotten",
       [](auto& p) {
         p = test::packed_decode_params();
         p.max_seqlen_q = attnjit_mla_decode_params(ATTNJIT_MLA_DECODE_PARAMS_INIT).max_seqlen_q;
       },
       {"max_seqlen_q is not given", "upper bound"}},
      {"cp_rank", [](auto& p) { p.cp_rank = 1; }, {"cp_rank is 1 and cp_world 1", "from 0 to cp_world - 1"}},
      {"cp_world", [](auto& p) { p.cp_world = 0; }, {"cp_world 0", "at least 1"}},
      {"cp_without_lengths",
       [](auto& p) { p.cp_world = 2; },
       {"cp_world is 2 and total_seq_lens is not given", "int32 [B]"}},
      {"total_seq_lens_batch", [](auto& p) { p.total_seq_lens = ints({2}); }, {"total_seq_lens has shape [2]", "[3]"}},
      {"workspace_missing",
       [](auto& p) { p.workspace = {}; },
       {"bytes of workspace, and there are none", "call reserve() for this stream"}},
      {"workspace_small", [](auto& p) { p.workspace.bytes = 4096; }, {"workspace has 4096 bytes", "workspace_bytes()"}},
      {"workspace_misaligned",
       [](auto& p) { p.workspace.data = address(0x10000004); },
       {"workspace starts at 0x10000004", "multiple of 16"}},
  };
}

struct BadConfig {
  const char* name;
  std::function<void(MlaDecodeConfig&)> spoil;
  std::vector<std::string> words;
};

std::vector<BadConfig> bad_configs() {
  return {
      {"dims", [](auto& c) { c.kv_lora_rank = 384; }, {"kv_lora_rank is 384 and rope_dim 64", "(512, 64), (256, 64)"}},
      {"dims_pair", [](auto& c) { c.rope_dim = 32; }, {"kv_lora_rank is 512 and rope_dim 32", "(256, 32)"}},
      {"dtype", [](auto& c) { c.dtype = DType::kFloat8E4M3; }, {"dtype is float8_e4m3", "bfloat16 and float16"}},
      {"page_size", [](auto& c) { c.page_size = 48; }, {"page_size is 48", "1, 16, 32, 64 and 128"}},
      {"cache_format",
       [](auto& c) { c.cache_format = static_cast<CacheFormat>(7); },
       {"cache_format is 7", "same (0), e4m3 (1) and e4m3_rows (2)"}},
      {"rows_of_other_dims",
       [](auto& c) {
         c.cache_format = CacheFormat::kE4M3Rows;
         c.kv_lora_rank = 256;
       },
       {"e4m3_rows", "kv_lora_rank 512 and rope_dim 64, not 256 and 64"}},
      {"out_dtype",
       [](auto& c) { c.out_dtype = DType::kFloat16; },
       {"out_dtype is float16", "bfloat16 (the queries')"}},
  };
}

/// Faults of configs that the table does not use.
std::vector<Row> special_rows() {
  return {{"mla_decode_out_scale_missing",
           Status::kInvalidArgument,
           {"out_scale is not given", "float32 tensor [1]"},
           [](Api api) {
             MlaDecodeOperation operation;
             operation.config.out_dtype = DType::kFloat8E4M3;
             operation.params.out.dtype = DType::kFloat8E4M3;
             return attempt(api, fake_device(), &operation);
           }},
          {"mla_decode_rows_apart",
           Status::kInvalidArgument,
           {"latent is given", "656 bytes come in one piece"},
           [](Api api) {
             MlaDecodeOperation operation;
             operation.config.cache_format = CacheFormat::kE4M3Rows;
             operation.params.latent = operation.params.cache;
             return attempt(api, fake_device(), &operation);
           }},
          {"mla_decode_bounds_heads",
           Status::kInvalidArgument,
           {"200 heads", "1 to 128"},
           [](Api api) {
             MlaDecodeBoundsOperation operation;
             operation.bounds.num_heads = 200;
             return attempt(api, fake_device(), &operation);
           }},
          {"mla_decode_bounds_batch", Status::kInvalidArgument, {"batch is -1", "0 or more"}, [](Api api) {
             MlaDecodeBoundsOperation operation;
             operation.bounds.batch = -1;
             return attempt(api, fake_device(), &operation);
           }}};
}

}  // namespace

std::vector<Row> mla_decode_rows() {
  std::vector<Row> rows = special_rows();
  for (const BadConfig& bad : bad_configs()) {
    rows.push_back({std::string("mla_decode_config_") + bad.name, Status::kUnsupported, bad.words, [=](Api api) {
                      MlaDecodeOperation operation;
                      bad.spoil(operation.config);
                      return attempt(api, fake_device(), &operation);
                    }});
  }
  for (const auto& table : {bad_queries_and_outputs(), bad_caches_and_lengths()}) {
    for (const BadArgument& bad : table) {
      rows.push_back({std::string("mla_decode_") + bad.name, Status::kInvalidArgument, bad.words, [=](Api api) {
                        MlaDecodeOperation operation;
                        bad.spoil(operation.params);
                        return attempt(api, fake_device(), &operation);
                      }});
    }
  }
  return rows;
}

}  // namespace attnjit::bad_input
