// Corner cases of mla_decode: one named case for each rule of this operator and of operators in general.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "verify/mla_decode/cases.h"

namespace attnjit::gpu_tests {
namespace {

const MlaDecodeConfig kSame = decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 64, true);
const MlaDecodeConfig kFull = decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 64, false);
const MlaDecodeConfig kSlots = decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 1, true);
const MlaDecodeConfig kE4M3 = decode_config(512, 64, DType::kBFloat16, CacheFormat::kE4M3, 64, true);
const MlaDecodeConfig kRows = decode_config(512, 64, DType::kBFloat16, CacheFormat::kE4M3Rows, 64, true);
const MlaDecodeConfig kE4M3Out = decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 64, true, true);

class Table {
 public:
  template <class Change>
  void add(const std::string& name, const MlaDecodeConfig& config, std::vector<int> seq_lens, const Change& change) {
    DecodeCase c;
    c.name = name;
    c.config = config;
    c.seq_lens = std::move(seq_lens);
    c.seed = 9000 + cases_.size();
    change(c);
    cases_.push_back(c);
  }
  void add(const std::string& name, const MlaDecodeConfig& config, std::vector<int> seq_lens) {
    add(name, config, std::move(seq_lens), [](DecodeCase&) {});
  }
  /// The same for a cache of each format.
  template <class Change>
  void add_formats(const std::string& name, const std::vector<int>& seq_lens, const Change& change) {
    add(name, kSame, seq_lens, change);
    add(name + "_e4m3", kE4M3, seq_lens, change);
    add(name + "_rows656", kRows, seq_lens, change);
  }
  std::vector<DecodeCase> take() { return std::move(cases_); }

 private:
  std::vector<DecodeCase> cases_;
};

void add_lengths(Table& table) {
  table.add("no_sequence", kSame, {});
  table.add_formats("no_key_anywhere", {0, 0, 0}, [](DecodeCase&) {});
  table.add("no_key_anywhere_e4m3_out", kE4M3Out, {0, 0, 0});
  table.add("one_key_each", kSame, std::vector<int>(50, 1));
  table.add_formats("empty_sequences_between", {0, 400, 0, 0, 33, 0}, [](DecodeCase&) {});
  table.add("captured_graph_padding", kSame, [] {
    std::vector<int> lens(256, 0);
    lens[3] = 5000;
    return lens;
  }());
  table.add("tile_and_page_edges", kSame, {15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129});
  table.add("tile_edges_of_slots", kSlots, {15, 16, 17, 31, 32, 33, 63, 64, 65});
  table.add("one_long_sequence", kSame, {9000});
  table.add("one_long_between_short", kSame, {3, 9000, 2, 1});
  table.add("more_sequences_than_lanes", kSame, std::vector<int>(100, 77));
  table.add("as_many_blocks_as_parts", kSame, {264 * 32});
  table.add("one_block_more_than_parts", kSame, {264 * 32 + 1});
  table.add("one_part", kSame, {700, 33}, [](DecodeCase& c) {
    c.heads = 128;
    c.sms = 1;
  });
  for (const int heads : {1, 8, 11, 16, 17, 20, 32, 33, 40, 64, 96, 128}) {
    table.add("heads_" + std::to_string(heads), kSame, {700, 33, 0}, [heads](DecodeCase& c) { c.heads = heads; });
  }
}

void add_queries(Table& table) {
  const auto queries = [](int count, int heads) {
    return [=](DecodeCase& c) {
      c.seqlen_q = count;
      c.heads = heads;
    };
  };
  table.add_formats("two_queries", {700, 33, 2, 1, 0}, queries(2, 8));
  table.add("queries_cross_tiles_of_rows", kSame, {700, 33, 5}, queries(7, 11));
  table.add("queries_full", kFull, {700, 33, 1, 0}, queries(3, 16));
  table.add("more_queries_than_keys", kSame, {3, 1, 0, 40}, queries(8, 16));
  table.add("many_queries", kSame, {700, 100}, queries(100, 16));
  table.add("packed", kSame, {700, 33, 5, 0, 64}, [](DecodeCase& c) {
    c.packed_q = {3, 0, 5, 1, 2};
    c.max_seqlen_slack = 4;
  });
  table.add("packed_no_query", kSame, {700, 33}, [](DecodeCase& c) { c.packed_q = {0, 0}; });
  table.add("packed_one_has_all", kRows, {700, 33, 9}, [](DecodeCase& c) { c.packed_q = {0, 9, 0}; });
  const std::pair<int, int> shards[] = {{0, 2}, {1, 2}, {2, 3}, {7, 8}};
  for (const auto& [rank, world] : shards) {
    table.add("interleaved_shard_" + std::to_string(rank) + "_of_" + std::to_string(world), kSame, {},
              [r = rank, w = world](DecodeCase& c) {
                c.total_seq_lens = {1000, 3, 1, 0, 77};
                for (const int total : c.total_seq_lens) c.seq_lens.push_back(total > r ? (total - r + w - 1) / w : 0);
                c.seqlen_q = 4;
                c.cp_rank = r;
                c.cp_world = w;
              });
  }
}

void add_layouts(Table& table) {
  const std::vector<int> lens{700, 33, 0, 129};
  table.add("all_packed", kSame, lens, [](DecodeCase& c) { c.q = c.cache = c.out = Storage::kPacked; });
  table.add("all_transposed", kSame, lens, [](DecodeCase& c) {
    c.q = c.cache = c.out = Storage::kHeadsFirst;
    c.seqlen_q = 2;
  });
  table.add("q_nope_transposed_q_pe_packed", kSame, lens, [](DecodeCase& c) {
    c.q_form = QueryForm::kApart;
    c.q = Storage::kHeadsFirst;
    c.q_pe = Storage::kPacked;
  });
  table.add("latent_and_rope_apart", kSame, lens, [](DecodeCase& c) {
    c.cache_form = CacheForm::kApart;
    c.rope = Storage::kPacked;
  });
  table.add("latent_and_rope_apart_e4m3", kE4M3, lens, [](DecodeCase& c) { c.cache_form = CacheForm::kApart; });
  table.add("one_query_row_for_all_heads", kSame, lens, [](DecodeCase& c) { c.q = Storage::kOneHead; });
  table.add("one_query_row_for_all_sequences", kSame, lens, [](DecodeCase& c) { c.q = Storage::kOneToken; });
  table.add("sequences_share_pages", kSame, {700, 700, 64, 700}, [](DecodeCase& c) { c.shared_sequences = 1; });
  table.add("table_wider_than_needed", kSame, lens, [](DecodeCase& c) { c.table_slack = 50; });
  table.add("table_rows_apart", kSame, lens, [](DecodeCase& c) { c.pages = PageForm::kPaddedTable; });
  table.add("indices", kSame, lens, [](DecodeCase& c) { c.pages = PageForm::kIndices; });
  table.add("indices_of_slots", kSlots, lens, [](DecodeCase& c) { c.pages = PageForm::kIndices; });
  table.add("pages_past_2_31_elements", kSame, {200, 64}, [](DecodeCase& c) { c.cache = Storage::kFarTokens; });
  table.add("pages_past_2_31_bytes_of_rows656", kRows, {200, 64}, [](DecodeCase& c) { c.cache = Storage::kFarTokens; });
  table.add("slots_past_2_31_elements", kE4M3, {200, 64}, [](DecodeCase& c) { c.cache = Storage::kFarHeads; });
  table.add("q_past_2_31_elements", kSame, {200, 64}, [](DecodeCase& c) { c.q = Storage::kFarTokens; });
  table.add("out_past_2_31_elements", kSame, {200, 64}, [](DecodeCase& c) { c.out = Storage::kFarTokens; });
  const std::pair<DecodeLse, const char*> lses[] = {{DecodeLse::kNone, "no_lse"},
                                                    {DecodeLse::kBatchFirst, "lse_batch_first"},
                                                    {DecodeLse::kHeadsFirst, "lse_heads_first"},
                                                    {DecodeLse::kTokensFirst, "lse_tokens_first"},
                                                    {DecodeLse::kPadded, "lse_padded"}};
  for (const auto& [lse, name] : lses) {
    table.add(name, kSame, lens, [l = lse](DecodeCase& c) {
      c.lse = l;
      c.seqlen_q = 3;
      c.heads = 5;
    });
  }
}

void add_contents(Table& table) {
  for (const int poisoned : {0, 1, 2}) {
    table.add_formats("nan_and_inf_in_sequence_" + std::to_string(poisoned), {400, 20, 500},
                      [poisoned](DecodeCase& c) { c.poisoned_sequence = poisoned; });
  }
  table.add("cache_scale_not_given", kE4M3, {700, 33}, [](DecodeCase& c) { c.cache_scale = 0; });
  table.add("cache_scale_small", kE4M3, {700, 33}, [](DecodeCase& c) { c.cache_scale = 0.01f; });
  table.add("softmax_scale_large", kSame, {700, 33}, [](DecodeCase& c) { c.softmax_scale = 0.5f; });
  table.add("softmax_scale_small", kSame, {700, 33}, [](DecodeCase& c) { c.softmax_scale = 1e-3f; });
  table.add("softmax_scale_three", kSame, {700, 0, 33}, [](DecodeCase& c) { c.softmax_scale = 3.f; });
  // The kernel multiplies one by the other.
  table.add("softmax_scale_times_cache_scale", kE4M3, {700, 0, 33}, [](DecodeCase& c) {
    c.softmax_scale = 1.f;
    c.cache_scale = 20.f;
    c.seqlen_q = 3;
  });
  for (const Variant variant : {Variant::kOwn, Variant::kSm80}) {
    for (const int heads : {16, 24}) {
      table.add(fmt::format("e4m3_out_clamps_{}_heads_{}", heads, to_string(variant)), kE4M3Out, {700, 33},
                [heads, variant](DecodeCase& c) {
                  c.out_scale = 1e-4f;
                  c.heads = heads;
                  c.variant = variant;
                });
    }
  }
}

}  // namespace

std::vector<DecodeCase> decode_corner_cases() {
  Table table;
  add_lengths(table);
  add_queries(table);
  add_layouts(table);
  add_contents(table);
  return table.take();
}

}  // namespace attnjit::gpu_tests
