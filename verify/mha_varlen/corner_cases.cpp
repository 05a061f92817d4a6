// Corner cases: lengths, forms, strides and neighbors that break kernels which are correct on ordinary input.
#include <initializer_list>
#include <string>
#include <utility>

#include "verify/mha_varlen/cases.h"

namespace attnjit::gpu_tests {
namespace {

const MhaVarlenConfig kMla = suite_config(192, 128, 64, DType::kBFloat16, true);
const MhaVarlenConfig kMlaFull = suite_config(192, 128, 64, DType::kBFloat16, false);
const MhaVarlenConfig kMlaE4M3 = suite_config(192, 128, 64, DType::kBFloat16, true, true);
const MhaVarlenConfig kMhaF16 = suite_config(128, 128, 0, DType::kFloat16, false);

class Table {
 public:
  /// Adds a case with these lengths, modified by `change`, for each tile size; for the device's own kernel and the one
  /// for every SM.
  template <class Change>
  void add(const std::string& name, const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k,
           const Change& change) {
    Case c;
    c.config = config;
    c.len_q = std::move(len_q);
    c.len_k = std::move(len_k);
    c.seed = 1000 + cases_.size();
    change(c);
    for (const Tiles tiles : {Tiles::kLarge, Tiles::kSmall}) {
      c.tiles = tiles;
      c.name = name + (tiles == Tiles::kLarge ? "_large" : "_small");
      cases_.push_back(c);
      if (c.variant != Variant::kOwn) continue;
      cases_.push_back(c);
      cases_.back().variant = Variant::kSm90;
      cases_.back().name += "_sm90";
    }
  }
  void add(const std::string& name, const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k) {
    add(name, config, std::move(len_q), std::move(len_k), [](Case&) {});
  }
  std::vector<Case> take() { return std::move(cases_); }

 private:
  std::vector<Case> cases_;
};

void add_lengths(Table& table) {
  table.add("no_sequence", kMla, {}, {});
  table.add("no_query_anywhere", kMla, {0, 0}, {5, 3});
  table.add("no_key_anywhere", kMla, {4, 7}, {0, 0});
  table.add("no_key_anywhere_full", kMlaFull, {4, 7}, {0, 0});
  table.add("empty_queries_between", kMla, {0, 5, 0, 0, 70, 0}, {3, 5, 0, 8, 90, 9});
  table.add("empty_keys_between", kMla, {4, 7, 3, 130}, {0, 7, 0, 0});
  table.add("empty_keys_between_full", kMlaFull, {4, 7, 3, 130}, {0, 7, 0, 0});
  table.add("empty_keys_e4m3", kMlaE4M3, {4, 7, 130}, {0, 7, 0});
  table.add("more_queries_than_keys", kMla, {130, 64, 200, 3}, {70, 1, 199, 2});
  table.add("more_queries_than_keys_e4m3", kMlaE4M3, {130, 64}, {70, 1});
  table.add("one_query_many_keys", kMla, {1, 1, 1}, {1, 1000, 63});
  table.add("tile_edges", kMla, {15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129},
            {15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129});
  table.add("tile_edges_of_keys", kMlaFull, {5, 5, 5, 5, 5, 5, 5}, {31, 32, 33, 63, 64, 65, 128});
  table.add("diagonal_off_by_one", kMla, {64, 64, 128, 128}, {63, 65, 127, 129});
  std::vector<int> short_q, short_k;
  for (int i = 0; i < 300; ++i) {
    short_q.push_back(i % 4);
    short_k.push_back(i % 7);
  }
  table.add("three_hundred_sequences", kMla, short_q, short_k);
  table.add("loose_upper_bounds", kMla, {3, 70, 20}, {9, 70, 100}, [](Case& c) { c.max_seqlen_slack = 500; });
  table.add("tokens_behind_the_last_sequence", kMla, {3, 70}, {9, 70}, [](Case& c) { c.spare_tokens = 40; });
}

void add_heads(Table& table) {
  const std::pair<int, int> head_counts[] = {{1, 1}, {3, 3}, {8, 1}, {16, 4}, {128, 128}, {128, 8}, {40, 40}};
  for (const auto& [heads, kv_heads] : head_counts) {
    table.add("heads_" + std::to_string(heads) + "_over_" + std::to_string(kv_heads), kMhaF16, {20, 70}, {50, 70},
              [h = heads, hk = kv_heads](Case& c) {
                c.heads = h;
                c.kv_heads = hk;
              });
  }
}

void add_forms(Table& table) {
  const std::pair<QueryForm, const char*> q_forms[] = {{QueryForm::kJoint, "q_joint"}, {QueryForm::kApart, "q_apart"}};
  const std::pair<KeyForm, const char*> k_forms[] = {
      {KeyForm::kJoint, "k_joint"}, {KeyForm::kApart, "k_pe_shared"}, {KeyForm::kApartPerHead, "k_pe_per_head"}};
  for (const auto& [q_form, q_name] : q_forms) {
    for (const auto& [k_form, k_name] : k_forms) {
      table.add(std::string(q_name) + "_" + k_name, kMla, {33, 100}, {80, 100}, [q = q_form, k = k_form](Case& c) {
        c.q_form = q;
        c.k_form = k;
        c.heads = 4;
        c.kv_heads = 2;
      });
    }
  }
  // The suite has no config with only rotary columns. One without any, given as q_nope and k_nope, exists.
  table.add("apart_without_pe", kMhaF16, {33, 100}, {80, 100}, [](Case& c) {
    c.q_form = QueryForm::kApart;
    c.k_form = KeyForm::kApart;
  });
  const std::pair<LseStorage, const char*> lses[] = {{LseStorage::kNone, "no_lse"},
                                                     {LseStorage::kTokensFirst, "lse_tokens_first"},
                                                     {LseStorage::kPadded, "lse_padded"}};
  for (const auto& [lse, name] : lses) {
    table.add(name, kMla, {33, 100, 4}, {80, 100, 0}, [l = lse](Case& c) { c.lse = l; });
    table.add(std::string(name) + "_e4m3", kMlaE4M3, {33, 100, 4}, {80, 100, 0}, [l = lse](Case& c) { c.lse = l; });
  }
}

void add_strides(Table& table) {
  const auto add = [&](const std::string& name, const auto& change) {
    table.add(name, kMla, {33, 100}, {80, 100}, [&](Case& c) {
      c.q_form = QueryForm::kApart;
      c.k_form = KeyForm::kApart;
      c.heads = 4;
      c.kv_heads = 4;
      change(c);
    });
  };
  add("all_packed", [](Case& c) { c.q = c.q_pe = c.k = c.k_pe = c.v = c.out = Storage::kPacked; });
  add("v_beside_k_nope", [](Case& c) { c.v_beside_k = true; });
  add("v_beside_joint_k", [](Case& c) {
    c.v_beside_k = true;
    c.k_form = KeyForm::kJoint;
  });
  add("q_nope_transposed", [](Case& c) { c.q = Storage::kHeadsFirst; });
  add("everything_transposed", [](Case& c) { c.q = c.q_pe = c.k = c.k_pe = c.v = c.out = Storage::kHeadsFirst; });
  add("q_one_head", [](Case& c) { c.q = c.q_pe = Storage::kOneHead; });
  add("q_one_token", [](Case& c) { c.q = c.q_pe = Storage::kOneToken; });
  add("k_one_token", [](Case& c) { c.k = c.k_pe = Storage::kOneToken; });
  add("k_and_v_one_head", [](Case& c) { c.k = c.v = Storage::kOneHead; });
  add("v_one_token", [](Case& c) { c.v = Storage::kOneToken; });
  add("q_far_tokens", [](Case& c) { c.q = Storage::kFarTokens; });
  add("q_pe_far_tokens", [](Case& c) { c.q_pe = Storage::kFarTokens; });
  add("k_far_tokens", [](Case& c) { c.k = Storage::kFarTokens; });
  add("k_pe_far_tokens", [](Case& c) { c.k_pe = Storage::kFarTokens; });
  add("v_far_tokens", [](Case& c) { c.v = Storage::kFarTokens; });
  add("out_far_tokens", [](Case& c) { c.out = Storage::kFarTokens; });
  add("k_far_heads", [](Case& c) { c.k = Storage::kFarHeads; });
  add("q_and_out_far_heads", [](Case& c) { c.q = c.out = Storage::kFarHeads; });
  table.add("e4m3_far_tokens", kMlaE4M3, {33, 100}, {80, 100}, [](Case& c) { c.out = Storage::kFarTokens; });
}

void add_isolation(Table& table) {
  const std::pair<MhaVarlenConfig, const char*> configs[] = {
      {kMla, "causal"}, {kMlaFull, "full"}, {kMlaE4M3, "e4m3"}, {kMhaF16, "f16_full"}};
  for (const auto& [config, name] : configs) {
    for (const int poisoned : {0, 1, 2}) {
      table.add(std::string("nan_and_inf_in_sequence_") + std::to_string(poisoned) + "_" + name, config, {70, 30, 45},
                {90, 30, 50}, [p = poisoned](Case& c) { c.poisoned_sequence = p; });
    }
  }
  table.add("nan_in_a_sequence_without_queries", kMlaFull, {70, 0, 45}, {90, 30, 50},
            [](Case& c) { c.poisoned_sequence = 1; });
}

void add_scales(Table& table) {
  // With large scales, the state of a row that has seen no key is near the end of float32's range. A whole block of
  // keys is masked for the third sequence's first rows; the fourth's first rows see no key at all.
  const std::pair<float, const char*> scales[] = {{1e-3f, "tiny"}, {1.f, "one"}, {3.f, "three"}, {20.f, "twenty"}};
  for (const auto& [scale, name] : scales) {
    table.add(std::string("softmax_scale_") + name, kMla, {33, 100, 200, 8}, {80, 100, 260, 3},
              [s = scale](Case& c) { c.softmax_scale = s; });
  }
  const std::pair<float, const char*> out_scales[] = {{1e-4f, "clamps"}, {0.002f, "large"}, {8.f, "denormal"}};
  for (const auto& [scale, name] : out_scales) {
    for (const Variant variant : {Variant::kOwn, Variant::kSm80}) {
      table.add(std::string("e4m3_") + name + "_" + to_string(variant), kMlaE4M3, {33, 100}, {80, 100},
                [s = scale, variant](Case& c) {
                  c.out_scale = s;
                  c.variant = variant;
                });
    }
  }
}

}  // namespace

std::vector<Case> corner_cases() {
  Table table;
  add_lengths(table);
  add_heads(table);
  add_forms(table);
  add_strides(table);
  add_isolation(table);
  add_scales(table);
  return table.take();
}

}  // namespace attnjit::gpu_tests
