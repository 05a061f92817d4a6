#include "tests/emulator/cases.h"

#include <string>
#include <utility>

namespace attnjit::emulator_tests {
namespace {

using gpu_tests::Case;
using gpu_tests::Data;
using gpu_tests::KeyForm;
using gpu_tests::LseStorage;
using gpu_tests::QueryForm;
using gpu_tests::Storage;
using gpu_tests::Tiles;
using gpu_tests::Variant;

// Six configs, which give nine kernels with both tiles of kMla and kFull and the two e4m3 conversions: bf16 and fp16,
// causal and full, 16 and 32 rows per warp, dims that are and are not multiples of the tile, e4m3 by instruction and by
// integer code.
const MhaVarlenConfig kMla{.head_dim_qk = 192, .head_dim_v = 128, .rope_dim = 64};
const MhaVarlenConfig kFull{.head_dim_qk = 64, .head_dim_v = 64, .dtype = DType::kFloat16, .causal = false};
const MhaVarlenConfig kOdd{.head_dim_qk = 80, .head_dim_v = 48};
const MhaVarlenConfig kTiny{.head_dim_qk = 16, .head_dim_v = 16, .dtype = DType::kFloat16, .causal = false};
const MhaVarlenConfig kPeE4M3{.head_dim_qk = 48, .head_dim_v = 32, .rope_dim = 16, .out_dtype = DType::kFloat8E4M3};
const MhaVarlenConfig kWideV{.head_dim_qk = 48, .head_dim_v = 256};

class Table {
 public:
  template <class Change>
  void add(const std::string& name, const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k,
           const Change& change) {
    Case c;
    c.name = name;
    c.config = config;
    c.len_q = std::move(len_q);
    c.len_k = std::move(len_k);
    c.seed = 3000 + cases_.size();
    change(c);
    // This table covers the kernel that runs on every SM. Where the newest SMs have a kernel of their own, plan for an
    // older SM (sm90_cases.cpp covers the other kernels).
    const bool served_there = config.head_dim_v % 32 == 0 && config.head_dim_v >= 64;
    if (c.variant == Variant::kOwn && served_there) c.variant = Variant::kSm80;
    cases_.push_back(c);
  }
  void add(const std::string& name, const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k) {
    add(name, config, std::move(len_q), std::move(len_k), [](Case&) {});
  }
  std::vector<Case> take() { return std::move(cases_); }

 private:
  std::vector<Case> cases_;
};

void add_configs(Table& table) {
  table.add("mla_small_tiles", kMla, {3, 70}, {70, 130}, [](Case& c) {
    c.tiles = Tiles::kSmall;
    c.q_form = QueryForm::kApart;
    c.k_form = KeyForm::kApart;
  });
  table.add("mla_large_tiles", kMla, {130}, {140}, [](Case& c) {
    c.tiles = Tiles::kLarge;
    c.k_form = KeyForm::kApartPerHead;
    c.heads = 2;
    c.kv_heads = 1;
  });
  table.add("f16_full_small_tiles", kFull, {1, 65}, {150, 64}, [](Case& c) { c.tiles = Tiles::kSmall; });
  table.add("f16_full_large_tiles", kFull, {1, 130}, {150, 64}, [](Case& c) { c.tiles = Tiles::kLarge; });
  table.add("odd_dims", kOdd, {17, 80}, {40, 81});
  table.add("tiny_dims", kTiny, {5, 64}, {200, 1});
  table.add("wide_v", kWideV, {40}, {100});
  table.add("e4m3_by_instruction", kPeE4M3, {3, 70}, {70, 130}, [](Case& c) { c.variant = Variant::kSm89; });
  table.add("e4m3_by_integer_code", kPeE4M3, {3, 70}, {70, 130}, [](Case& c) { c.variant = Variant::kSm80; });
}

void add_lengths(Table& table) {
  table.add("no_query_anywhere", kOdd, {0, 0}, {5, 3});
  table.add("no_key_anywhere", kOdd, {4, 7}, {0, 0});
  table.add("no_key_anywhere_full", kFull, {4, 70}, {0, 0});
  table.add("empty_sequences_between", kOdd, {0, 5, 0, 70, 4, 0}, {3, 5, 0, 90, 0, 9});
  table.add("more_queries_than_keys", kOdd, {130, 64, 3}, {70, 1, 2});
  table.add("one_query_many_keys", kFull, {1, 1}, {300, 63});
  table.add("tile_edges", kOdd, {15, 16, 31, 33, 63, 64, 65}, {15, 16, 31, 33, 63, 64, 65});
  table.add("tile_edges_of_keys", kTiny, {5, 5, 5, 5, 5}, {32, 33, 63, 64, 65});
  table.add("loose_upper_bounds", kTiny, {3, 20}, {9, 100}, [](Case& c) { c.max_seqlen_slack = 300; });
  table.add("tokens_behind_the_last_sequence", kTiny, {3, 70}, {9, 70}, [](Case& c) { c.spare_tokens = 40; });
  table.add("empty_keys_e4m3", kPeE4M3, {4, 7, 70}, {0, 7, 0});
}

void add_layouts(Table& table) {
  const auto add = [&](const std::string& name, const auto& change) {
    table.add(name, kPeE4M3, {33, 70}, {80, 70}, [&](Case& c) {
      c.q_form = QueryForm::kApart;
      c.k_form = KeyForm::kApart;
      change(c);
    });
  };
  add("all_packed", [](Case& c) { c.q = c.q_pe = c.k = c.k_pe = c.v = c.out = Storage::kPacked; });
  add("everything_transposed", [](Case& c) { c.q = c.q_pe = c.k = c.k_pe = c.v = c.out = Storage::kHeadsFirst; });
  add("v_beside_k_nope", [](Case& c) { c.v_beside_k = true; });
  add("k_and_v_one_head", [](Case& c) { c.k = c.v = Storage::kOneHead; });
  add("k_one_token", [](Case& c) { c.k = c.k_pe = Storage::kOneToken; });
  add("pe_per_head", [](Case& c) { c.k_form = KeyForm::kApartPerHead; });
  add("joint_views", [](Case& c) {
    c.q_form = QueryForm::kJoint;
    c.k_form = KeyForm::kJoint;
  });
  const std::pair<int, int> head_counts[] = {{1, 1}, {8, 1}, {6, 3}};
  for (const auto& [heads, kv_heads] : head_counts) {
    table.add("heads_" + std::to_string(heads) + "_over_" + std::to_string(kv_heads), kTiny, {20}, {50},
              [h = heads, hk = kv_heads](Case& c) {
                c.heads = h;
                c.kv_heads = hk;
              });
  }
  const std::pair<LseStorage, const char*> lses[] = {{LseStorage::kNone, "no_lse"},
                                                     {LseStorage::kTokensFirst, "lse_tokens_first"},
                                                     {LseStorage::kPadded, "lse_padded"}};
  for (const auto& [lse, name] : lses) {
    table.add(name, kOdd, {33, 4}, {80, 0}, [l = lse](Case& c) { c.lse = l; });
  }
}

void add_contents(Table& table) {
  const std::pair<Data, const char*> kinds[] = {
      {Data::kLargeScores, "large_scores"}, {Data::kDominantKey, "dominant_key"}, {Data::kEqualKeys, "equal_keys"}};
  for (const auto& [data, name] : kinds) {
    table.add(name, kOdd, {40}, {90}, [d = data](Case& c) { c.data = d; });
  }
  for (const float scale : {3.f, 20.f}) {
    table.add("softmax_scale_" + std::to_string(static_cast<int>(scale)), kOdd, {60, 8}, {90, 3},
              [scale](Case& c) { c.softmax_scale = scale; });
  }
  for (const int poisoned : {0, 1, 2}) {
    table.add("nan_and_inf_in_sequence_" + std::to_string(poisoned), kOdd, {20, 30, 45}, {40, 30, 50},
              [p = poisoned](Case& c) { c.poisoned_sequence = p; });
  }
  table.add("nan_in_a_sequence_without_queries", kFull, {30, 0, 45}, {40, 30, 50},
            [](Case& c) { c.poisoned_sequence = 1; });
  for (const Variant variant : {Variant::kSm89, Variant::kSm80}) {
    table.add(std::string("e4m3_clamps_") + to_string(variant), kPeE4M3, {33}, {80}, [v = variant](Case& c) {
      c.out_scale = 1e-4f;
      c.variant = v;
    });
  }
}

}  // namespace

std::vector<Case> emulated_cases() {
  Table table;
  add_configs(table);
  add_lengths(table);
  add_layouts(table);
  add_contents(table);
  return table.take();
}

std::vector<Case> mutation_cases() {
  Table table;
  // Several key blocks for one query tile, rows without keys, and an output wider than its input.
  table.add("several_blocks", kOdd, {70}, {200}, [](Case& c) { c.heads = c.kv_heads = 1; });
  table.add("no_key", kOdd, {70, 3}, {0, 5}, [](Case& c) { c.heads = c.kv_heads = 1; });
  table.add("wide_v", kWideV, {64}, {100}, [](Case& c) { c.heads = c.kv_heads = 1; });
  return table.take();
}

}  // namespace attnjit::emulator_tests
