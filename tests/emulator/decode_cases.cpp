#include "tests/emulator/decode_cases.h"

#include <string>
#include <utility>

namespace attnjit::emulator_tests {
namespace {

using gpu_tests::CacheForm;
using gpu_tests::Data;
using gpu_tests::DecodeCase;
using gpu_tests::DecodeLse;
using gpu_tests::PageForm;
using gpu_tests::QueryForm;
using gpu_tests::Storage;
using gpu_tests::Variant;

// Each pair of dims, each format, both types, both outputs. Most cases use the narrow rows, which take half the time.
const MlaDecodeConfig kNarrow{.kv_lora_rank = 256, .rope_dim = 32, .page_size = 16};
const MlaDecodeConfig kWide{.kv_lora_rank = 512, .rope_dim = 64, .page_size = 64};
const MlaDecodeConfig kRows{
    .kv_lora_rank = 512, .rope_dim = 64, .cache_format = CacheFormat::kE4M3Rows, .page_size = 32};
const MlaDecodeConfig kRowsF16{.kv_lora_rank = 512,
                               .rope_dim = 64,
                               .dtype = DType::kFloat16,
                               .cache_format = CacheFormat::kE4M3Rows,
                               .page_size = 1};
const MlaDecodeConfig kE4M3{.kv_lora_rank = 256,
                            .rope_dim = 64,
                            .dtype = DType::kFloat16,
                            .cache_format = CacheFormat::kE4M3,
                            .page_size = 1,
                            .causal = false};
const MlaDecodeConfig kNoRope{.kv_lora_rank = 512, .rope_dim = 0, .cache_format = CacheFormat::kE4M3, .page_size = 128};
const MlaDecodeConfig kE4M3Out{.kv_lora_rank = 256, .rope_dim = 32, .page_size = 16, .out_dtype = DType::kFloat8E4M3};

class Table {
 public:
  template <class Change>
  void add(const std::string& name, const MlaDecodeConfig& config, std::vector<int> seq_lens, const Change& change) {
    DecodeCase c;
    c.name = name;
    c.config = config;
    c.seq_lens = std::move(seq_lens);
    c.heads = 3;
    c.sms = 2;  // four splits with the smallest tile
    c.seed = 5000 + cases_.size();
    change(c);
    cases_.push_back(c);
  }
  void add(const std::string& name, const MlaDecodeConfig& config, std::vector<int> seq_lens) {
    add(name, config, std::move(seq_lens), [](DecodeCase&) {});
  }
  std::vector<DecodeCase> take() { return std::move(cases_); }

 private:
  std::vector<DecodeCase> cases_;
};

void add_tiles(Table& table) {
  const auto heads = [](int count) { return [count](DecodeCase& c) { c.heads = count; }; };
  table.add("wide_16_rows", kWide, {70, 33}, heads(16));
  table.add("wide_32_rows", kWide, {70, 33}, heads(20));
  table.add("wide_64_rows", kWide, {70, 33}, heads(40));
  table.add("rows656_16_rows", kRows, {70, 33}, heads(11));
  table.add("rows656_32_rows", kRows, {70, 33}, heads(32));
  table.add("rows656_64_rows", kRows, {70, 33}, heads(33));
  table.add("rows656_f16", kRowsF16, {40, 7}, heads(8));
  table.add("e4m3_f16_16_rows", kE4M3, {70, 33}, heads(16));
  table.add("e4m3_f16_64_rows", kE4M3, {70, 33}, heads(64));
  table.add("no_rope_32_rows", kNoRope, {130, 33}, heads(30));
  table.add("two_tiles_of_rows", kNarrow, {70, 33}, heads(100));
  table.add("e4m3_out_by_instruction", kE4M3Out, {70, 33}, [](DecodeCase& c) { c.variant = Variant::kSm89; });
  table.add("e4m3_out_by_integer_code", kE4M3Out, {70, 33}, [](DecodeCase& c) { c.variant = Variant::kSm80; });
  table.add("sm86_tile", kWide, {70, 33}, [](DecodeCase& c) { c.variant = Variant::kSm86; });
  table.add("sm80_e4m3_by_integer_code", kNoRope, {130, 33}, [](DecodeCase& c) {
    c.variant = Variant::kSm80;
    c.heads = 20;
  });
  table.add("sm80_rows656_by_integer_code", kRows, {70}, [](DecodeCase& c) { c.variant = Variant::kSm80; });
}

void add_lengths(Table& table) {
  table.add("no_key_anywhere", kNarrow, {0, 0, 0});
  table.add("one_key_each", kNarrow, {1, 1, 1, 1, 1});
  table.add("empty_sequences_between", kNarrow, {0, 40, 0, 0, 33, 0});
  table.add("no_sequence", kNarrow, {});
  table.add("tile_and_page_edges", kNarrow, {15, 16, 17, 31, 32, 33, 64, 65});
  table.add("one_part", kNarrow, {70, 33}, [](DecodeCase& c) {
    c.heads = 40;
    c.sms = 1;
  });
  table.add("as_many_parts_as_blocks", kNarrow, {320}, [](DecodeCase& c) { c.sms = 5; });
  table.add("more_parts_than_blocks", kNarrow, {70, 5}, [](DecodeCase& c) { c.sms = 12; });
  table.add("many_sequences", kNarrow, std::vector<int>(37, 9), [](DecodeCase& c) { c.heads = 1; });
  // A row has so many partials that the warps of the combine kernel share them.
  table.add("many_parts", kNarrow, {300}, [](DecodeCase& c) { c.sms = 9; });
  table.add("queries_causal", kNarrow, {40, 3, 2, 1, 0}, [](DecodeCase& c) { c.seqlen_q = 3; });
  table.add("queries_full", kE4M3, {40, 3, 0}, [](DecodeCase& c) { c.seqlen_q = 3; });
  table.add("queries_cross_tiles_of_rows", kNarrow, {40, 12}, [](DecodeCase& c) {
    c.seqlen_q = 7;
    c.heads = 11;
  });
  table.add("packed_queries", kNarrow, {40, 9, 33, 0}, [](DecodeCase& c) {
    c.packed_q = {2, 0, 5, 1};
    c.max_seqlen_slack = 3;
  });
  table.add("packed_no_query", kNarrow, {40, 9}, [](DecodeCase& c) { c.packed_q = {0, 0}; });
  table.add("interleaved_shard", kNarrow, {14, 1, 0}, [](DecodeCase& c) {
    c.seqlen_q = 4;
    c.total_seq_lens = {41, 4, 2};
    c.cp_rank = 2;
    c.cp_world = 3;
  });
}

void add_layouts(Table& table) {
  const auto add = [&](const std::string& name, const MlaDecodeConfig& config, const auto& change) {
    table.add(name, config, {50, 20}, [&](DecodeCase& c) {
      c.seqlen_q = 2;
      change(c);
    });
  };
  add("apart", kNarrow, [](DecodeCase& c) {
    c.q_form = QueryForm::kApart;
    c.cache_form = CacheForm::kApart;
    c.pages = PageForm::kPaddedTable;
    c.table_slack = 4;
  });
  add("apart_e4m3", kE4M3, [](DecodeCase& c) {
    c.q_form = QueryForm::kApart;
    c.cache_form = CacheForm::kApart;
  });
  add("apart_no_rope", kNoRope, [](DecodeCase& c) {
    c.q_form = QueryForm::kApart;
    c.cache_form = CacheForm::kApart;
    c.cache_scale = 0;
  });
  add("indices", kNarrow, [](DecodeCase& c) { c.pages = PageForm::kIndices; });
  add("transposed", kNarrow, [](DecodeCase& c) {
    c.q = c.cache = c.out = Storage::kHeadsFirst;
    c.lse = DecodeLse::kTokensFirst;
  });
  add("packed_memory", kRows, [](DecodeCase& c) {
    c.q = c.cache = c.out = Storage::kPacked;
    c.lse = DecodeLse::kPadded;
  });
  add("one_query_row_for_all", kNarrow, [](DecodeCase& c) { c.q = Storage::kOneHead; });
  add("no_lse", kNarrow, [](DecodeCase& c) { c.lse = DecodeLse::kNone; });
  add("shared_pages", kNarrow, [](DecodeCase& c) { c.shared_sequences = 1; });
}

void add_contents(Table& table) {
  const std::pair<Data, const char*> kinds[] = {
      {Data::kLargeScores, "large_scores"}, {Data::kDominantKey, "dominant_key"}, {Data::kEqualKeys, "equal_keys"}};
  for (const auto& [data, name] : kinds) {
    table.add(name, kNarrow, {90, 40}, [d = data](DecodeCase& c) { c.data = d; });
    table.add(std::string(name) + "_rows656", kRows, {90}, [d = data](DecodeCase& c) { c.data = d; });
  }
  for (const float scale : {3.f, 20.f}) {
    table.add("softmax_scale_" + std::to_string(static_cast<int>(scale)), kNarrow, {40, 0, 3}, [scale](DecodeCase& c) {
      c.softmax_scale = scale;
      c.seqlen_q = 4;
    });
  }
  for (const int poisoned : {0, 1, 2}) {
    table.add("nan_and_inf_in_sequence_" + std::to_string(poisoned), kNarrow, {40, 20, 50},
              [p = poisoned](DecodeCase& c) { c.poisoned_sequence = p; });
  }
  table.add("nan_in_a_neighbour_of_656_bytes", kRows, {40, 50}, [](DecodeCase& c) { c.poisoned_sequence = 0; });
  table.add("e4m3_clamps", kE4M3Out, {40}, [](DecodeCase& c) { c.out_scale = 1e-4f; });
}

}  // namespace

std::vector<DecodeCase> emulated_decode_cases() {
  Table table;
  add_tiles(table);
  add_lengths(table);
  add_layouts(table);
  add_contents(table);
  return table.take();
}

std::vector<DecodeCase> decode_mutation_cases() {
  Table table;
  // Sequences shared by several splits, several blocks each, two partials in one CTA, more rows than one warp handles.
  table.add("shared_parts", kNarrow, {150, 90}, [](DecodeCase& c) { c.heads = 16; });
  table.add("two_tiles_of_rows", kNarrow, {70, 50}, [](DecodeCase& c) { c.heads = 40; });
  // Partial outputs are staged while the copies for the next one start.
  table.add("whole_sequences", kNarrow, {30, 20, 31, 5, 9, 12}, [](DecodeCase& c) {
    c.heads = 16;
    c.sms = 1;
  });
  table.add("converted", kRows, {150, 40}, [](DecodeCase& c) { c.heads = 2; });
  table.add("warps_share_pieces", kNarrow, {300}, [](DecodeCase& c) {
    c.heads = 2;
    c.sms = 9;
  });
  return table.take();
}

}  // namespace attnjit::emulator_tests
