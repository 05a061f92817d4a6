// masked_mha and mask_from_topk: configs that no kernel supports, and arguments that no call may have.
#include "tests/bad_input/machine.h"
#include "tests/bad_input/masked_mha_operation.h"
#include "tests/bad_input/rows.h"

namespace attnjit::bad_input {
namespace {

using test::address;

template <class Params>
struct BadArgument {
  const char* name;
  std::function<void(Params&)> spoil;
  std::vector<std::string> words;
};

std::vector<BadArgument<MaskedMhaParams>> bad_masks() {
  return {
      {"attention", [](auto& p) { p.attention.v = {}; }, {"masked_mha: v is not given"}},
      {"max_forgotten",
       [](auto& p) { p.attention.max_seqlen_k = MhaVarlenParams().max_seqlen_k; },
       {"masked_mha: max_seqlen_k is not given"}},
      {"mask_missing",
       [](auto& p) { p.mask = {}; },
       {"masked_mha: mask is not given", "either mask and mask_tiles, or topk_indices"}},
      {"tiles_missing", [](auto& p) { p.mask_tiles = {}; }, {"mask_tiles is not given", "mask_from_topk writes it"}},
      {"mask_twice",
       [](auto& p) { p.topk_indices = test::topk_params().topk_indices; },
       {"mask is given", "either mask and mask_tiles, or topk_indices"}},
      {"mask_dtype", [](auto& p) { p.mask.dtype = DType::kFloat32; }, {"mask has dtype float32", "must be int32"}},
      {"mask_rows", [](auto& p) { p.mask.shape[0] = 299; }, {"mask has shape [299, 7]", "[300, any]"}},
      {"mask_rank", [](auto& p) { p.mask.rank = 1; }, {"mask has shape [300]", "[300, any]"}},
      {"mask_null", [](auto& p) { p.mask.data = nullptr; }, {"mask has a null pointer", "[300, 7]"}},
      {"mask_misaligned", [](auto& p) { p.mask.data = address(0x90002); }, {"mask starts at 0x90002", "of 4 bytes"}},
      {"mask_columns_apart",
       [](auto& p) { p.mask.strides[1] = 2; },
       {"mask has stride 2 in its last dim", "must be 1"}},
      {"mask_negative", [](auto& p) { p.mask.strides[0] = -7; }, {"mask has stride -7 in dim 0", "0 or positive"}},
      {"tiles_rows", [](auto& p) { p.mask_tiles.shape[0] = 5; }, {"mask_tiles has shape [5, 1]", "[6, 1]"}},
      {"tiles_words",
       [](auto& p) { p.mask.shape[1] = p.mask.strides[0] = 65; },
       {"mask_tiles has shape [6, 1]", "[6, 2]"}},
      {"offset_length",
       [](auto& p) { p.key_offset = Tensor::contiguous(address(0x92000), DType::kInt32, {3}); },
       {"key_offset has shape [3]", "[2]"}},
      {"offset_dtype",
       [](auto& p) { p.key_offset = Tensor::contiguous(address(0x92000), DType::kFloat32, {2}); },
       {"key_offset has dtype float32", "must be int32"}},
  };
}

std::vector<BadArgument<MaskedMhaParams>> bad_indices() {
  return {
      {"rows", [](auto& p) { p.topk_indices.shape[0] = 301; }, {"topk_indices has shape [301, 33]", "[300, any]"}},
      {"dtype", [](auto& p) { p.topk_indices.dtype = DType::kFloat32; }, {"topk_indices has dtype float32", "int32"}},
      {"columns_apart", [](auto& p) { p.topk_indices.strides[1] = 3; }, {"topk_indices has stride 3", "must be 1"}},
      {"no_bound",
       [](auto& p) { p.key_offset = Tensor::contiguous(address(0x92000), DType::kInt32, {2}); },
       {"max_positions is 0", "key_offset[b] + keys", "at least max_seqlen_k (200)"}},
      {"bound_too_large",
       [](auto& p) {
         p.key_offset = Tensor::contiguous(address(0x92000), DType::kInt32, {2});
         p.max_positions = (std::int64_t{1} << 31) + 1;
       },
       {"max_positions is 2147483649", "at most 2^31"}},
      {"workspace_missing", [](auto& p) { p.workspace = {}; }, {"needs 9632 bytes of workspace", "none", "reserve()"}},
      {"workspace_small", [](auto& p) { p.workspace.bytes = 9631; }, {"workspace has 9631 bytes", "needs 9632"}},
      {"workspace_null", [](auto& p) { p.workspace.data = nullptr; }, {"workspace has a null pointer"}},
      {"workspace_misaligned",
       [](auto& p) { p.workspace.data = address(0x100008); },
       {"workspace starts at 0x100008", "multiple of 16"}},
  };
}

std::vector<BadArgument<MaskFromTopkParams>> bad_builds() {
  return {
      {"indices_missing", [](auto& p) { p.topk_indices = {}; }, {"topk_indices is not given", "int32", "[any, any]"}},
      {"indices_dtype", [](auto& p) { p.topk_indices.dtype = DType::kBFloat16; }, {"dtype bfloat16", "must be int32"}},
      {"indices_rank", [](auto& p) { p.topk_indices.rank = 1; }, {"topk_indices has shape [300]", "[any, any]"}},
      {"cu_missing", [](auto& p) { p.cu_seqlens_q = {}; }, {"cu_seqlens_q is not given"}},
      {"cu_empty", [](auto& p) { p.cu_seqlens_q.shape[0] = 0; }, {"cu_seqlens_q is empty", "B + 1"}},
      {"lens_length", [](auto& p) { p.seq_lens.shape[0] = 3; }, {"seq_lens has shape [3]", "[2]"}},
      {"mask_rows", [](auto& p) { p.mask.shape[0] = 301; }, {"mask has shape [301, 7]", "[300, any]"}},
      {"mask_missing", [](auto& p) { p.mask = {}; }, {"mask is not given", "[300, any]"}},
      {"mask_stride_0", [](auto& p) { p.mask.strides[0] = 0; }, {"mask has stride 0 in dim 0", "overlap"}},
      {"mask_too_wide",
       [](auto& p) { p.mask.shape[1] = p.mask.strides[0] = (std::int64_t{1} << 26) + 1; },
       {"mask has 67108865 words per row", "at most 67108864"}},
      {"tiles_rows", [](auto& p) { p.mask_tiles.shape[0] = 5; }, {"mask_tiles has shape [5, 1]", "[6, 1]"}},
      {"tiles_missing", [](auto& p) { p.mask_tiles = {}; }, {"mask_tiles is not given", "[6, 1]"}},
  };
}

template <class SpoiledOperation, class Params>
void add(std::vector<Row>& rows, const std::string& prefix, const std::vector<BadArgument<Params>>& bad_arguments,
         const SpoiledOperation& good) {
  for (const auto& bad : bad_arguments) {
    rows.push_back({prefix + bad.name, Status::kInvalidArgument, bad.words, [=](Api api) {
                      SpoiledOperation operation = good;
                      bad.spoil(operation.params);
                      return attempt(api, fake_device(), &operation);
                    }});
  }
}

}  // namespace

std::vector<Row> masked_mha_rows() {
  std::vector<Row> rows;
  MaskedMhaOperation by_indices;
  by_indices.params = test::topk_params();
  add(rows, "masked_mha_", bad_masks(), MaskedMhaOperation());
  add(rows, "masked_mha_indices_", bad_indices(), by_indices);
  add(rows, "mask_from_topk_", bad_builds(), MaskFromTopkOperation());
  rows.push_back({"masked_mha_config", Status::kUnsupported, {"masked_mha: head_dim_v is 100", "is 112"}, [](Api api) {
                    MaskedMhaOperation operation;
                    operation.config.attention.head_dim_v = 100;
                    return attempt(api, fake_device(), &operation);
                  }});
  const auto add_bounds = [&](const char* name, const MaskedMhaBounds& bounds, std::vector<std::string> words) {
    rows.push_back({name, Status::kInvalidArgument, std::move(words), [bounds](Api api) {
                      MaskedMhaOperation operation;
                      operation.reserve = bounds;
                      return attempt(api, fake_device(), &operation);
                    }});
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;  // its byte count would wrap
  add_bounds("masked_mha_bounds_negative", {.tokens_q = -1, .batch = 1, .max_positions = 1},
             {"MaskedMhaBounds::tokens_q is -1", "0 or more"});
  add_bounds("masked_mha_bounds_tokens", {.tokens_q = kHuge, .batch = 1, .max_positions = 1},
             {"4611686018427387904 query tokens (MaskedMhaBounds::tokens_q)", "at most 2^31 - 1024"});
  add_bounds("masked_mha_bounds_batch", {.tokens_q = 1, .batch = kHuge, .max_positions = 1},
             {"4611686018427387904 sequences (MaskedMhaBounds::batch)", "at most 2^31 - 1024"});
  add_bounds("masked_mha_bounds_positions", {.tokens_q = 1, .batch = 1, .max_positions = kHuge},
             {"MaskedMhaBounds::max_positions is 4611686018427387904", "at most 2^31"});
  return rows;
}

}  // namespace attnjit::bad_input
