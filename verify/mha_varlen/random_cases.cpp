#include <fmt/format.h>

#include "verify/dice.h"
#include "verify/mha_varlen/cases.h"

namespace attnjit::gpu_tests {
namespace {

int random_length(Dice& dice) {
  if (dice.chance(10)) return 0;
  if (dice.chance(40)) return dice.between(1, 20);
  return dice.between(1, dice.chance(20) ? 400 : 150);
}

void draw_lengths(Dice& dice, Case& c) {
  const int sequences = dice.between(1, 6);
  for (int i = 0; i < sequences; ++i) {
    const int q = random_length(dice);
    // Mostly as engines call it: new tokens after a context. Sometimes any two lengths.
    const int context = dice.chance(50) ? 0 : random_length(dice);
    c.len_q.push_back(q);
    c.len_k.push_back(dice.chance(20) ? random_length(dice) : q + context);
  }
  if (dice.chance(30)) c.max_seqlen_slack = dice.between(1, 200);
  if (dice.chance(30)) c.spare_tokens = dice.between(1, 9);
  if (dice.chance(10)) c.poisoned_sequence = dice.below(sequences);
}

void draw_layout(Dice& dice, Case& c) {
  const auto input = [&] {
    // A poisoned sequence must not share its memory with another.
    if (dice.chance(10)) return c.poisoned_sequence < 0 ? Storage::kOneToken : Storage::kOneHead;
    return dice.one_of({Storage::kPacked, Storage::kPadded, Storage::kPadded, Storage::kHeadsFirst});
  };
  c.q = input();
  c.q_pe = input();
  c.k = input();
  c.k_pe = input();
  c.v = input();
  c.out = dice.one_of({Storage::kPacked, Storage::kPadded, Storage::kHeadsFirst});
  c.v_beside_k = dice.chance(20);
  c.q_form = dice.one_of({QueryForm::kJoint, QueryForm::kApart});
  c.k_form = dice.one_of({KeyForm::kJoint, KeyForm::kApart, KeyForm::kApartPerHead});
  c.lse = dice.one_of({LseStorage::kNone, LseStorage::kHeadsFirst, LseStorage::kTokensFirst, LseStorage::kPadded});
}

}  // namespace

std::vector<Case> random_cases(std::uint64_t seed) {
  std::vector<Case> cases;
  const auto& configs = suite_configs();
  for (int i = 0; i < kRandomCases; ++i) {
    // Each case has its own seed, so it can be reported and repeated on its own.
    Dice dice(seed * 1000003 + static_cast<std::uint64_t>(i));
    Case c;
    c.name = fmt::format("random_{:03}", i);
    c.config = configs[static_cast<std::size_t>(i) % configs.size()];
    constexpr Tiles kTurns[] = {Tiles::kLarge, Tiles::kSmall, Tiles::kAsPlanned};
    const std::size_t turn = static_cast<std::size_t>(i) / configs.size();
    c.tiles = kTurns[turn % std::size(kTurns)];
    if (turn / std::size(kTurns) % 2 == 1) c.variant = Variant::kSm90;
    c.kv_heads = dice.between(1, 4);
    c.heads = c.kv_heads * dice.one_of({1, 1, 2, 3, 4});
    draw_lengths(dice, c);
    draw_layout(dice, c);
    if (dice.chance(30)) c.data = dice.one_of({Data::kLargeScores, Data::kDominantKey, Data::kEqualKeys});
    if (dice.chance(30)) c.softmax_scale = dice.one_of({0.005f, 0.05f, 0.2f, 0.5f});
    c.out_scale = dice.one_of({1.f / 64, 1.f / 16, 0.003f, 1.f});
    c.seed = dice.bits();
    cases.push_back(c);
  }
  return cases;
}

}  // namespace attnjit::gpu_tests
