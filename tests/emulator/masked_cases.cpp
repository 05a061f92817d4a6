// Cases of masked_mha and mask_from_topk that run on the emulator.
#include <string>
#include <utility>

#include "tests/emulator/cases.h"

namespace attnjit::emulator_tests {
namespace {

using gpu_tests::KeyForm;
using gpu_tests::MaskedCase;
using gpu_tests::MaskForm;
using gpu_tests::QueryForm;
using gpu_tests::Sight;
using gpu_tests::Storage;
using gpu_tests::Tiles;
using gpu_tests::Variant;

// Both tiles of MLA's kernels (32 and 64 keys), and three small kernels with 64 keys: 16 and 32 rows per warp.
const MhaVarlenConfig kMla{.head_dim_qk = 192, .head_dim_v = 128, .rope_dim = 64};
const MhaVarlenConfig kFull{.head_dim_qk = 64, .head_dim_v = 64, .dtype = DType::kFloat16, .causal = false};
const MhaVarlenConfig kTiny{.head_dim_qk = 16, .head_dim_v = 16};
const MhaVarlenConfig kPeE4M3{.head_dim_qk = 48, .head_dim_v = 32, .rope_dim = 16, .out_dtype = DType::kFloat8E4M3};

class Table {
 public:
  template <class Change>
  void add(const std::string& name, const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k,
           const Change& change) {
    MaskedCase c;
    c.attention.name = name;
    c.attention.config = config;
    c.attention.len_q = std::move(len_q);
    c.attention.len_k = std::move(len_k);
    c.attention.heads = c.attention.kv_heads = 1;
    c.attention.seed = 5000 + cases_.size();
    change(c);
    cases_.push_back(c);
    // Where Hopper has its own kernel, the kernel for every SM runs the same case.
    if (c.attention.variant != Variant::kOwn || config.head_dim_v % 64 != 0) return;
    cases_.push_back(c);
    cases_.back().attention.variant = Variant::kSm90;
    cases_.back().attention.name += "_sm90";
  }
  void add(const std::string& name, const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k) {
    add(name, config, std::move(len_q), std::move(len_k), [](MaskedCase&) {});
  }
  std::vector<MaskedCase> take() { return std::move(cases_); }

 private:
  std::vector<MaskedCase> cases_;
};

void add_configs(Table& table) {
  table.add("mla_small_tiles", kMla, {3, 70}, {70, 130}, [](MaskedCase& c) {
    c.attention.tiles = Tiles::kSmall;
    c.attention.k_form = KeyForm::kApart;
  });
  table.add("mla_large_tiles", kMla, {130}, {140}, [](MaskedCase& c) {
    c.attention.tiles = Tiles::kLarge;
    c.attention.heads = 2;
    c.form = MaskForm::kIndices;
  });
  table.add("f16_full_small_tiles", kFull, {1, 65}, {150, 64},
            [](MaskedCase& c) { c.attention.tiles = Tiles::kSmall; });
  table.add("f16_full_large_tiles", kFull, {1, 130}, {150, 64},
            [](MaskedCase& c) { c.attention.tiles = Tiles::kLarge; });
  table.add("tiny", kTiny, {5, 64}, {200, 70});
  table.add("e4m3", kPeE4M3, {3, 70}, {70, 130}, [](MaskedCase& c) { c.attention.variant = Variant::kSm80; });
}

void add_indices(Table& table) {
  for (const int topk : {0, 1, 3, 33, 130, 2048, 2051}) {
    table.add("topk_" + std::to_string(topk), kTiny, {40, 9}, {300, 9}, [topk](MaskedCase& c) {
      c.topk = topk;
      c.indices = topk % 2 == 0 ? Storage::kPadded : Storage::kPacked;
    });
  }
  table.add("full_mask_is_dense", kTiny, {70, 3}, {100, 80}, [](MaskedCase& c) {
    c.sight = Sight::kAll;
    c.topk = 100;
  });
  table.add("full_mask_is_dense_by_indices", kFull, {70, 3}, {100, 80}, [](MaskedCase& c) {
    c.sight = Sight::kAll;
    c.topk = 100;
    c.form = MaskForm::kIndices;
  });
  table.add("window", kTiny, {130, 20}, {300, 20}, [](MaskedCase& c) {
    c.sight = Sight::kWindow;
    c.topk = 17;
  });
  table.add("no_key_for_anybody", kTiny, {70, 3}, {100, 80}, [](MaskedCase& c) { c.sight = Sight::kNone; });
  table.add("no_key_for_two_rows_of_three", kFull, {70, 3}, {100, 80},
            [](MaskedCase& c) { c.sight = Sight::kSomeRows; });
  table.add("no_seq_lens", kTiny, {70, 3}, {100, 80}, [](MaskedCase& c) { c.seq_lens = false; });
  table.add("padded_mask", kTiny, {70, 3}, {100, 80}, [](MaskedCase& c) { c.mask = Storage::kPacked; });
}

void add_offsets(Table& table) {
  const std::pair<const char*, std::vector<int>> offsets[] = {
      {"64", {64, 128}}, {"32", {32, 96}}, {"37", {37, 0}}, {"63", {63, 1}}, {"far", {2100, 4095}}};
  for (const auto& [name, offset] : offsets) {
    for (const MaskForm form : {MaskForm::kMask, MaskForm::kIndices}) {
      table.add(std::string("offset_") + name + (form == MaskForm::kMask ? "" : "_by_indices"), kFull, {70, 30},
                {150, 65}, [o = offset, form](MaskedCase& c) {
                  c.key_offset = o;
                  c.later_keys = 50;
                  c.topk = 700;
                  c.form = form;
                });
    }
  }
  // Contiguous rows of 16 words: those of a block are 16 aligned bytes.
  for (const int offset : {0, 128}) {
    table.add("aligned_rows_offset_" + std::to_string(offset), kMla, {130}, {500 - offset}, [offset](MaskedCase& c) {
      c.key_offset = {offset};
      c.topk = 200;
      c.mask = Storage::kPacked;
      c.attention.tiles = Tiles::kLarge;
    });
  }
  table.add("offset_37_large_tiles", kMla, {130}, {200}, [](MaskedCase& c) {
    c.key_offset = {37};
    c.attention.tiles = Tiles::kLarge;
  });
}

void add_lengths(Table& table) {
  table.add("no_query_anywhere", kTiny, {0, 0}, {5, 3});
  table.add("no_key_anywhere", kTiny, {4, 7}, {0, 0});
  table.add("no_key_anywhere_by_indices", kTiny, {4, 7}, {0, 0}, [](MaskedCase& c) { c.form = MaskForm::kIndices; });
  table.add("empty_sequences_between", kTiny, {0, 5, 0, 70, 4, 0}, {3, 5, 0, 90, 0, 9});
  table.add("more_queries_than_keys", kTiny, {130, 64, 3}, {70, 1, 2});
  table.add("tile_edges", kTiny, {63, 64, 65, 1, 128, 129}, {63, 64, 65, 33, 128, 129});
  table.add("loose_bounds_and_spare_tokens", kTiny, {3, 70}, {9, 70}, [](MaskedCase& c) {
    c.attention.max_seqlen_slack = 300;
    c.attention.spare_tokens = 70;
  });
  table.add("several_chunks_of_words", kTiny, {3, 66}, {9, 20000}, [](MaskedCase& c) { c.topk = 200; });
  for (const int poisoned : {0, 1}) {
    table.add("nan_and_inf_in_sequence_" + std::to_string(poisoned), kFull, {20, 30}, {40, 30},
              [p = poisoned](MaskedCase& c) { c.attention.poisoned_sequence = p; });
  }
}

/// NaN in blocks that no query sees: if one were read, 0 x NaN would show.
void add_skipped_blocks(Table& table) {
  const auto add = [&](const std::string& name, const MhaVarlenConfig& config, int offset, int first, int count,
                       int nan_first, int nan_count, Tiles tiles, Variant variant = Variant::kOwn) {
    table.add("skips_" + name, config, {130}, {400}, [=](MaskedCase& c) {
      c.hole_first = first;
      c.hole_count = count;
      c.nan_first = nan_first;
      c.nan_count = nan_count;
      c.topk = 400;
      c.attention.tiles = tiles;
      c.attention.variant = variant;
      if (offset > 0) c.key_offset = {offset};
    });
  };
  add("one_block", kTiny, 0, 64, 64, 64, 64, Tiles::kLarge);
  add("one_block_small_tiles", kFull, 0, 128, 64, 128, 64, Tiles::kSmall, Variant::kSm90);
  add("blocks_of_32_keys", kMla, 0, 64, 64, 64, 64, Tiles::kLarge, Variant::kSm90);
  add("behind_an_offset_of_64", kFull, 64, 128, 64, 64, 64, Tiles::kLarge, Variant::kSm90);
  // Local keys 128 to 191 are positions 165 to 228: tiles 2 and 3, positions 128 to 255.
  add("behind_an_offset_of_37", kFull, 37, 128, 128, 128, 64, Tiles::kLarge, Variant::kSm90);
  // Blocks of 128 keys.
  add("blocks_of_128_keys", kMla, 0, 128, 128, 128, 128, Tiles::kLarge);
  add("blocks_of_128_keys_small_tiles", kMla, 0, 128, 128, 128, 128, Tiles::kSmall);
  add("128_keys_behind_an_offset_of_64", kFull, 64, 192, 128, 128, 128, Tiles::kLarge);
  // Local keys 128 to 255 are positions 165 to 292: tiles 2 to 4, positions 128 to 319.
  add("128_keys_behind_an_offset_of_37", kFull, 37, 128, 192, 128, 128, Tiles::kLarge);
  add("the_last_128_keys", kFull, 0, 256, 300, 256, 144, Tiles::kSmall);
  add("the_first_128_keys", kFull, 0, 0, 128, 0, 128, Tiles::kSmall);
  add("the_last_blocks", kTiny, 0, 192, 300, 192, 208, Tiles::kLarge);
  add("the_first_blocks", kTiny, 0, 0, 128, 0, 128, Tiles::kLarge);
}

}  // namespace

std::vector<MaskedCase> emulated_masked_cases() {
  Table table;
  add_configs(table);
  add_indices(table);
  add_offsets(table);
  add_lengths(table);
  add_skipped_blocks(table);
  return table.take();
}

std::vector<MaskedCase> masked_mutation_cases() {
  Table table;
  table.add("several_blocks", kTiny, {70}, {200}, [](MaskedCase& c) {
    c.topk = 100;
    c.hole_first = 64;
    c.hole_count = 64;
  });
  table.add("nothing_to_see", kTiny, {70, 3}, {200, 5}, [](MaskedCase& c) { c.sight = Sight::kNone; });
  table.add("several_chunks", kTiny, {66}, {20000}, [](MaskedCase& c) { c.topk = 300; });
  return table.take();
}

std::vector<MaskedCase> sm90_masked_mutation_cases() {
  // Enough blocks to reuse the stages. Which block a stage holds is published beside its keys.
  MaskedCase c;
  c.attention.name = "blocks_told_beside_their_keys";
  c.attention.config = kFull;
  c.attention.len_q = {65};
  c.attention.len_k = {700};
  c.attention.heads = c.attention.kv_heads = 1;
  c.attention.tiles = Tiles::kLarge;
  c.topk = 300;
  c.hole_first = 128;
  c.hole_count = 128;
  // Contiguous rows of 32 words: TMA loads them beside the keys.
  MaskedCase mapped = c;
  mapped.attention.name = "bits_beside_their_keys";
  mapped.attention.len_k = {1024};
  mapped.mask = Storage::kPacked;
  return {c, mapped};
}

}  // namespace attnjit::emulator_tests
