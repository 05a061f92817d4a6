#include <fmt/format.h>

#include "verify/dice.h"
#include "verify/mla_decode/cases.h"

namespace attnjit::gpu_tests {
namespace {

int random_length(Dice& dice) {
  if (dice.chance(10)) return 0;
  if (dice.chance(40)) return dice.between(1, 130);
  return dice.between(1, dice.chance(15) ? 9000 : 1500);
}

void draw_lengths(Dice& dice, DecodeCase& c) {
  const int sequences = dice.chance(10) ? dice.between(30, 80) : dice.between(1, 6);
  for (int b = 0; b < sequences; ++b) c.seq_lens.push_back(sequences > 6 ? dice.below(200) : random_length(dice));
  c.seqlen_q = dice.chance(60) ? 1 : dice.between(2, 5);
  if (dice.chance(20)) {
    for (int b = 0; b < sequences; ++b) c.packed_q.push_back(dice.below(5));
    c.max_seqlen_slack = dice.below(4);
  }
  if (dice.chance(15)) {
    c.cp_world = dice.between(2, 8);
    c.cp_rank = dice.below(c.cp_world);
    c.total_seq_lens = c.seq_lens;
    for (int& length : c.seq_lens) {
      length = length > c.cp_rank ? (length - c.cp_rank + c.cp_world - 1) / c.cp_world : 0;
    }
  }
  if (dice.chance(10)) c.poisoned_sequence = dice.below(sequences);
}

void draw_layout(Dice& dice, DecodeCase& c) {
  const auto any = [&] {
    return dice.one_of({Storage::kPacked, Storage::kPadded, Storage::kPadded, Storage::kHeadsFirst});
  };
  c.q_form = dice.one_of({QueryForm::kJoint, QueryForm::kApart});
  c.cache_form = dice.one_of({CacheForm::kJoint, CacheForm::kApart});
  c.pages = dice.one_of({PageForm::kTable, PageForm::kPaddedTable, PageForm::kIndices});
  c.table_slack = dice.below(4);
  c.q = any();
  c.q_pe = any();
  c.cache = any();
  c.rope = any();
  c.out = any();
  c.lse = dice.one_of(
      {DecodeLse::kNone, DecodeLse::kBatchFirst, DecodeLse::kHeadsFirst, DecodeLse::kTokensFirst, DecodeLse::kPadded});
}

}  // namespace

std::vector<DecodeCase> random_decode_cases(std::uint64_t seed) {
  std::vector<DecodeCase> cases;
  const auto& configs = decode_configs();
  for (int i = 0; i < kRandomDecodeCases; ++i) {
    // Each case has its own seed, so it can be reported and repeated on its own.
    Dice dice(seed * 1000003 + static_cast<std::uint64_t>(i) + 500000);
    DecodeCase c;
    c.name = fmt::format("random_{:03}", i);
    c.config = configs[static_cast<std::size_t>(i) % configs.size()];
    switch (static_cast<std::size_t>(i) / configs.size() % 3) {  // tiles of 16, 32 and 64 rows, if there is one query
      case 0: c.heads = dice.between(1, 16); break;
      case 1: c.heads = dice.between(17, 32); break;
      default: c.heads = dice.one_of({33, 40, 64, 96, 127, 128});
    }
    draw_lengths(dice, c);
    draw_layout(dice, c);
    if (dice.chance(40)) c.sms = dice.one_of({1, 2, 7, 33, 78});
    if (dice.chance(30)) c.data = dice.one_of({Data::kLargeScores, Data::kDominantKey, Data::kEqualKeys});
    if (dice.chance(30)) c.softmax_scale = dice.one_of({0.005f, 0.05f, 0.2f});
    c.cache_scale = dice.one_of({0.f, 0.03f, 1.f / 64, 0.011f});
    c.out_scale = dice.one_of({1.f / 64, 1.f / 16, 0.003f, 1.f});
    c.seed = dice.bits();
    cases.push_back(c);
  }
  return cases;
}

}  // namespace attnjit::gpu_tests
