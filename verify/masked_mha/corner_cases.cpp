// Corner cases of masked_mha: one named case for each rule of indices, masks, offsets, skipped blocks, lengths and
// neighbors.
#include <string>
#include <utility>

#include "verify/masked_mha/cases.h"
#include "verify/mha_varlen/cases.h"

namespace attnjit::gpu_tests {
namespace {

const MhaVarlenConfig kMla = suite_config(192, 128, 64, DType::kBFloat16, true);
const MhaVarlenConfig kMlaFull = suite_config(192, 128, 64, DType::kBFloat16, false);
const MhaVarlenConfig kMlaE4M3 = suite_config(192, 128, 64, DType::kBFloat16, true, true);
const MhaVarlenConfig kWide = suite_config(256, 256, 64, DType::kBFloat16, true);

class Table {
 public:
  /// Adds a case with these lengths, modified by `change`, for each tile size and form of the mask; for the device's
  /// own kernel and the one for every SM.
  template <class Change>
  void add(const std::string& name, const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k,
           const Change& change) {
    MaskedCase c;
    c.attention.config = config;
    c.attention.len_q = std::move(len_q);
    c.attention.len_k = std::move(len_k);
    c.attention.seed = 8000 + cases_.size();
    change(c);
    for (const Tiles tiles : {Tiles::kLarge, Tiles::kSmall}) {
      for (const MaskForm form : {MaskForm::kMask, MaskForm::kIndices}) {
        c.attention.tiles = tiles;
        c.form = form;
        c.attention.name =
            name + (tiles == Tiles::kLarge ? "_large" : "_small") + (form == MaskForm::kMask ? "_mask" : "_indices");
        cases_.push_back(c);
        if (c.attention.variant != Variant::kOwn) continue;
        cases_.push_back(c);
        cases_.back().attention.variant = Variant::kSm90;
        cases_.back().attention.name += "_sm90";
      }
    }
  }
  void add(const std::string& name, const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k) {
    add(name, config, std::move(len_q), std::move(len_k), [](MaskedCase&) {});
  }
  std::vector<MaskedCase> take() { return std::move(cases_); }

 private:
  std::vector<MaskedCase> cases_;
};

void add_indices(Table& table) {
  for (const int topk : {0, 1, 2048, 2051}) {
    table.add("topk_" + std::to_string(topk), kMla, {70, 200}, {3000, 200}, [topk](MaskedCase& c) { c.topk = topk; });
  }
  table.add("minus_1_everywhere", kMla, {70, 3}, {100, 80}, [](MaskedCase& c) { c.sight = Sight::kNone; });
  table.add("minus_1_everywhere_e4m3", kMlaE4M3, {70, 3}, {100, 80}, [](MaskedCase& c) { c.sight = Sight::kNone; });
  table.add("rows_without_a_key", kMla, {70, 3, 150}, {100, 80, 150},
            [](MaskedCase& c) { c.sight = Sight::kSomeRows; });
  table.add("rows_without_a_key_full", kMlaFull, {70, 150}, {100, 40},
            [](MaskedCase& c) { c.sight = Sight::kSomeRows; });
  table.add("one_key", kMla, {70, 130}, {100, 130}, [](MaskedCase& c) {
    c.sight = Sight::kWindow;
    c.topk = 1;
  });
  table.add("window", kMla, {700}, {900}, [](MaskedCase& c) {
    c.sight = Sight::kWindow;
    c.topk = 100;
  });
  table.add("full_mask_is_dense", kWide, {150, 64}, {300, 64}, [](MaskedCase& c) {
    c.sight = Sight::kAll;
    c.topk = 300;
  });
}

void add_offsets(Table& table) {
  const std::pair<const char*, std::vector<int>> offsets[] = {{"multiples_of_64", {64, 1280}},
                                                              {"multiples_of_32", {32, 96}},
                                                              {"odd", {37, 0}},
                                                              {"edges", {63, 1}},
                                                              {"far", {100000, 65535}}};
  for (const auto& [name, offset] : offsets) {
    for (const MhaVarlenConfig& config : {kMlaFull, kMla}) {
      table.add(std::string("offset_") + name + (config.causal ? "_causal" : "_context"), config, {70, 150}, {250, 150},
                [o = offset](MaskedCase& c) {
                  c.key_offset = o;
                  c.later_keys = 150;
                  c.sight = Sight::kRandom;
                  c.topk = 3000;
                  if (o[0] > 5000) {  // random positions would miss the call's keys
                    c.sight = Sight::kWindow;
                    c.topk = 400;
                  }
                });
    }
  }
}

void add_skipped_blocks(Table& table) {
  const auto add = [&](const std::string& name, const MhaVarlenConfig& config, Variant variant, std::vector<int> offset,
                       int first, int count, int nan_first, int nan_count) {
    table.add("nan_is_skipped_" + name, config, {130}, {400}, [&](MaskedCase& c) {
      c.attention.variant = variant;
      c.key_offset = std::move(offset);
      c.hole_first = first;
      c.hole_count = count;
      c.nan_first = nan_first;
      c.nan_count = nan_count;
      c.topk = 400;
    });
  };
  // Blocks of 128 keys or fewer.
  add("inside", kMla, Variant::kOwn, {}, 128, 128, 128, 128);
  add("inside_full", kMlaFull, Variant::kOwn, {}, 128, 128, 128, 128);
  add("at_the_end", kMla, Variant::kOwn, {}, 256, 300, 256, 144);
  add("at_the_start", kMla, Variant::kOwn, {}, 0, 128, 0, 128);
  add("at_the_start_wide", kWide, Variant::kOwn, {}, 0, 128, 0, 128);
  add("behind_an_offset_of_64", kMlaFull, Variant::kOwn, {64}, 192, 128, 128, 128);
  // Keys 128 to 255 are positions 165 to 292: tiles 2 to 4, positions 128 to 319.
  add("behind_an_offset_of_37", kMlaFull, Variant::kOwn, {37}, 128, 192, 128, 128);
  // Blocks of 64 keys or fewer.
  add("of_64_inside", kMla, Variant::kSm90, {}, 64, 64, 64, 64);
  add("of_64_at_the_end", kMla, Variant::kSm90, {}, 192, 300, 192, 208);
  add("of_64_behind_an_offset_of_64", kMlaFull, Variant::kSm90, {64}, 128, 64, 64, 64);
  // Keys 128 to 191 are positions 165 to 228: tiles 2 and 3, positions 128 to 255.
  add("of_64_behind_an_offset_of_37", kMlaFull, Variant::kSm90, {37}, 128, 128, 128, 64);
}

void add_lengths(Table& table) {
  table.add("no_sequence", kMla, {}, {});
  table.add("no_query_anywhere", kMla, {0, 0}, {5, 3});
  table.add("no_key_anywhere", kMla, {4, 7}, {0, 0});
  table.add("empty_between", kMla, {0, 5, 0, 70, 4, 0}, {3, 5, 0, 90, 0, 9});
  table.add("more_queries_than_keys", kMla, {130, 64, 3}, {70, 1, 2});
  table.add("tile_edges", kMla, {63, 64, 65, 127, 128, 129, 1}, {63, 64, 65, 127, 128, 129, 33});
  table.add("loose_upper_bounds", kMla, {3, 150}, {9, 300}, [](MaskedCase& c) { c.attention.max_seqlen_slack = 500; });
  table.add("tokens_behind_the_last_sequence", kMla, {3, 70}, {9, 170},
            [](MaskedCase& c) { c.attention.spare_tokens = 70; });
  table.add("many_sequences", kMla, std::vector<int>(100, 5), std::vector<int>(100, 70));
  table.add("no_lse", kMla, {33, 4}, {80, 0}, [](MaskedCase& c) { c.attention.lse = LseStorage::kNone; });
  table.add("packed_mask", kMla, {70, 33}, {100, 80}, [](MaskedCase& c) { c.mask = c.indices = Storage::kPacked; });
  table.add("far_mask_rows", kMla, {70, 33}, {100, 80},
            [](MaskedCase& c) { c.mask = c.indices = Storage::kFarTokens; });
}

void add_isolation(Table& table) {
  for (const MhaVarlenConfig& config : {kMla, kMlaFull, kMlaE4M3}) {
    for (const int poisoned : {0, 1, 2}) {
      table.add("nan_and_inf_in_sequence_" + std::to_string(poisoned) + "_" + describe(config), config, {70, 30, 45},
                {90, 30, 50}, [p = poisoned](MaskedCase& c) { c.attention.poisoned_sequence = p; });
    }
  }
}

}  // namespace

std::vector<MaskedCase> masked_corner_cases() {
  Table table;
  add_indices(table);
  add_offsets(table);
  add_skipped_blocks(table);
  add_lengths(table);
  add_isolation(table);
  return table.take();
}

}  // namespace attnjit::gpu_tests
