// Cases of the Hopper kernel: tiles of 128 queries by 128 or 64 keys, or of 64 queries shared by two warpgroups.
#include <string>
#include <utility>

#include "tests/emulator/cases.h"

namespace attnjit::emulator_tests {
namespace {

using gpu_tests::Case;
using gpu_tests::Data;
using gpu_tests::KeyForm;
using gpu_tests::QueryForm;
using gpu_tests::Storage;
using gpu_tests::Tiles;

const MhaVarlenConfig kSmall{.head_dim_qk = 64, .head_dim_v = 64};
const MhaVarlenConfig kMla{.head_dim_qk = 192, .head_dim_v = 128, .rope_dim = 64};
const MhaVarlenConfig kMlaFull{
    .head_dim_qk = 192, .head_dim_v = 128, .rope_dim = 64, .dtype = DType::kFloat16, .causal = false};
const MhaVarlenConfig kOdd{.head_dim_qk = 80, .head_dim_v = 96, .causal = false};
const MhaVarlenConfig kWide{.head_dim_qk = 256, .head_dim_v = 128};
const MhaVarlenConfig kWidest{.head_dim_qk = 256, .head_dim_v = 256, .rope_dim = 64};
const MhaVarlenConfig kE4M3{.head_dim_qk = 64, .head_dim_v = 64, .rope_dim = 16, .out_dtype = DType::kFloat8E4M3};

class Table {
 public:
  template <class Change>
  void add(const std::string& name, const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k,
           int sm_count, const Change& change) {
    Sm90Case added;
    Case& c = added.attention;
    c.name = name;
    c.config = config;
    c.len_q = std::move(len_q);
    c.len_k = std::move(len_k);
    c.heads = c.kv_heads = 1;
    c.seed = 7000 + cases_.size();
    added.sm_count = sm_count;
    change(c);
    cases_.push_back(added);
  }
  void add(const std::string& name, const MhaVarlenConfig& config, std::vector<int> len_q, std::vector<int> len_k,
           int sm_count) {
    add(name, config, std::move(len_q), std::move(len_k), sm_count, [](Case&) {});
  }
  /// Lets a few CTAs take all tiles of the last case.
  void share_among(int ctas) { cases_.back().shared_by_ctas = ctas; }
  std::vector<Sm90Case> take() { return std::move(cases_); }

 private:
  std::vector<Sm90Case> cases_;
};

void large(Case& c) { c.tiles = Tiles::kLarge; }
void small(Case& c) { c.tiles = Tiles::kSmall; }

}  // namespace

std::vector<Sm90Case> sm90_cases() {
  Table table;
  // ---- every kernel
  table.add("large_tile", kSmall, {128}, {128}, 0, large);
  table.add("large_causal", kSmall, {130}, {300}, 0, large);
  table.add("small_causal", kSmall, {70}, {300}, 0, small);
  table.add("mla_large", kMla, {150}, {260}, 0, [](Case& c) {
    large(c);
    c.q_form = QueryForm::kApart;
    c.k_form = KeyForm::kApart;
  });
  table.add("mla_small", kMla, {70}, {260}, 0, [](Case& c) {
    small(c);
    c.k_form = KeyForm::kApart;
  });
  table.add("mla_full_large", kMlaFull, {100}, {300}, 0, large);
  table.add("mla_full_small", kMlaFull, {60}, {300}, 0, small);
  table.add("dims_that_slabs_do_not_divide", kOdd, {130}, {200}, 0);
  table.add("wide_qk_blocks_of_64_keys", kWide, {40}, {170}, 0);
  table.add("output_in_two_groups", kWidest, {130}, {170}, 0);
  table.add("e4m3_large", kE4M3, {130}, {200}, 0, large);
  table.add("e4m3_small", kE4M3, {70}, {200}, 0, small);

  // ---- lengths
  table.add("tile_edges", kSmall, {1, 63, 64, 65, 127, 129}, {1, 127, 128, 129, 127, 255}, 4);
  table.add("tile_edges_small", kSmall, {1, 63, 64, 65}, {1, 127, 128, 129}, 0, small);
  table.add("no_query_anywhere", kSmall, {0, 0}, {5, 3}, 0, large);
  table.add("no_key_anywhere", kSmall, {4, 130}, {0, 0}, 2);
  table.add("no_key_anywhere_small", kSmall, {4, 70}, {0, 0}, 0, small);
  table.add("empty_sequences_between", kSmall, {0, 5, 0, 140, 4, 0}, {3, 5, 0, 150, 0, 9}, 2);
  table.add("empty_sequences_between_small", kSmall, {0, 5, 0, 70, 4, 0}, {3, 5, 0, 150, 0, 9}, 0, small);
  table.add("more_queries_than_keys", kSmall, {200, 64, 3}, {70, 1, 2}, 2);
  table.add("sequences_in_one_tile", kE4M3, {3, 9, 20, 31}, {40, 9, 60, 31}, 2);
  table.add("loose_upper_bounds", kSmall, {3, 20}, {9, 100}, 2, [](Case& c) { c.max_seqlen_slack = 300; });
  table.add("tokens_behind_the_last_sequence", kSmall, {3, 70}, {9, 70}, 2, [](Case& c) { c.spare_tokens = 40; });

  // ---- tiles given out by the counter
  table.add("one_cta_takes_all", kSmall, {300}, {300}, 1, [](Case& c) { c.heads = c.kv_heads = 2; });
  table.add("three_ctas_take_nine_tiles", kSmall, {130, 20, 100}, {200, 30, 100}, 3,
            [](Case& c) { c.heads = c.kv_heads = 2; });
  table.add("one_cta_takes_small_tiles", kSmall, {200}, {300}, 0, [](Case& c) {
    small(c);
    c.heads = c.kv_heads = 2;
  });
  table.share_among(1);
  table.add("small_tiles_of_one_block", kMlaFull, {10, 70}, {128, 128}, 0, small);
  table.share_among(1);
  table.add("forty_sequences", kSmall, std::vector<int>(40, 2), std::vector<int>(40, 3), 3);

  // ---- layouts
  const auto add = [&](const std::string& name, const auto& change) {
    table.add(name, kE4M3, {33, 70}, {80, 70}, 2, [&](Case& c) {
      c.q_form = QueryForm::kApart;
      c.k_form = KeyForm::kApart;
      c.heads = c.kv_heads = 2;
      change(c);
    });
  };
  add("all_packed", [](Case& c) { c.q = c.q_pe = c.k = c.k_pe = c.v = c.out = Storage::kPacked; });
  add("everything_transposed", [](Case& c) { c.q = c.q_pe = c.k = c.k_pe = c.v = c.out = Storage::kHeadsFirst; });
  add("v_beside_k_nope", [](Case& c) { c.v_beside_k = true; });
  add("k_and_v_one_head", [](Case& c) { c.k = c.v = Storage::kOneHead; });
  add("k_one_token", [](Case& c) { c.k = c.k_pe = Storage::kOneToken; });
  add("pe_per_head", [](Case& c) { c.k_form = KeyForm::kApartPerHead; });
  add("four_heads_over_two", [](Case& c) { c.heads = 4; });

  // ---- contents
  table.add("large_scores", kSmall, {40}, {290}, 1, [](Case& c) { c.data = Data::kLargeScores; });
  table.add("dominant_key", kSmall, {40}, {290}, 1, [](Case& c) { c.data = Data::kDominantKey; });
  // First rows with a key block that is fully masked, and rows that see no key.
  for (const float scale : {3.f, 20.f}) {
    table.add("softmax_scale_" + std::to_string(static_cast<int>(scale)), kSmall, {100, 8}, {160, 3}, 1,
              [scale](Case& c) { c.softmax_scale = scale; });
  }
  for (const int poisoned : {0, 1, 2}) {
    table.add("nan_and_inf_in_sequence_" + std::to_string(poisoned), kSmall, {20, 30, 45}, {140, 30, 50}, 2,
              [p = poisoned](Case& c) { c.poisoned_sequence = p; });
    table.add("nan_and_inf_in_sequence_" + std::to_string(poisoned) + "_small", kSmall, {20, 30, 45}, {140, 30, 50}, 0,
              [p = poisoned](Case& c) {
                small(c);
                c.poisoned_sequence = p;
              });
  }
  return table.take();
}

std::vector<Sm90Case> sm90_mutation_cases() {
  Table table;
  // Enough tiles for both pipelines to wrap around, enough key blocks to reuse their stages, and keys past the end of a
  // sequence.
  table.add("rings_come_round", kSmall, {520}, {530}, 1);
  table.add("consumers_share_rows", kSmall, {64}, {520}, 0, small);
  table.add("consumers_share_rows_of_many_tiles", kSmall, {330}, {128}, 0, small);
  table.share_among(1);
  table.add("one_block", kSmall, {64}, {100}, 1);
  // An output of two groups, each staged in two steps.
  table.add("output_in_two_groups", kWidest, {130}, {70}, 1);
  // Only the tile pipeline holds the producer back.
  table.add("tiles_without_keys", kSmall, {1000}, {0}, 1);
  return table.take();
}

}  // namespace attnjit::emulator_tests
