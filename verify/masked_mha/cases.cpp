#include "verify/masked_mha/cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "operators/operator_config.h"
#include "verify/dice.h"
#include "verify/mha_varlen/cases.h"

namespace attnjit::gpu_tests {
namespace {

/// Both tile sizes of the same case.
void add_both_tiles(std::vector<MaskedCase>& cases, MaskedCase c, const std::string& name) {
  for (const Tiles tiles : {Tiles::kLarge, Tiles::kSmall}) {
    c.attention.tiles = tiles;
    c.attention.name = name + (tiles == Tiles::kLarge ? "_large" : "_small");
    cases.push_back(c);
  }
}

MaskedCase standard_case(const MhaVarlenConfig& config, int variety) {
  MaskedCase c;
  c.attention.config = config;
  c.attention.len_q = {1, 17, 64, 130, 300};
  c.attention.len_k = {1, 40, 64, 200, 513};
  c.attention.heads = 4;
  c.attention.kv_heads = variety % 3 == 0 ? 4 : variety % 3 == 1 ? 2 : 1;
  if (config.rope_dim > 0) {
    c.attention.q_form = variety % 2 == 0 ? QueryForm::kApart : QueryForm::kJoint;
    c.attention.k_form = variety % 3 == 0 ? KeyForm::kApart : KeyForm::kApartPerHead;
  }
  c.attention.seed = 7000 + static_cast<std::uint64_t>(variety);
  c.form = variety % 2 == 0 ? MaskForm::kMask : MaskForm::kIndices;
  c.topk = variety % 3 == 0 ? 64 : variety % 3 == 1 ? 33 : 200;
  if (variety % 4 == 3) {
    c.key_offset = {0, 37, 64, 100, 2000};
    c.later_keys = 70;
    c.topk = 900;
  }
  return c;
}

const MhaVarlenConfig& mla() {
  static const MhaVarlenConfig config = suite_config(192, 128, 64, DType::kBFloat16, true);
  return config;
}

}  // namespace

const std::vector<MhaVarlenConfig>& masked_suite_configs() {
  static const std::vector<MhaVarlenConfig> configs{
      mla(),
      suite_config(192, 128, 64, DType::kBFloat16, false),
      suite_config(192, 128, 64, DType::kBFloat16, true, true),
      suite_config(192, 128, 64, DType::kFloat16, true),
      suite_config(256, 256, 64, DType::kBFloat16, true),
      suite_config(256, 256, 64, DType::kBFloat16, false, true),
      suite_config(128, 128, 0, DType::kFloat16, true, true),
      suite_config(128, 128, 64, DType::kBFloat16, true),
      suite_config(96, 64, 32, DType::kBFloat16, true),
      suite_config(256, 128, 0, DType::kBFloat16, true),
      suite_config(64, 64, 0, DType::kBFloat16, true),
      suite_config(16, 16, 0, DType::kBFloat16, true),
      suite_config(80, 48, 0, DType::kBFloat16, true),
      suite_config(240, 112, 0, DType::kBFloat16, true),
      suite_config(48, 256, 0, DType::kBFloat16, true),
  };
  return configs;
}

std::vector<MaskedCase> masked_correctness_cases() {
  std::vector<MaskedCase> cases;
  int variety = 0;
  for (const MhaVarlenConfig& config : masked_suite_configs()) {
    const MaskedCase c = standard_case(config, variety++);
    add_both_tiles(cases, c, describe(config));
    MaskedCase full = c;  // attention without a mask, and judged as such
    full.sight = Sight::kAll;
    full.topk = 513;
    full.key_offset.clear();
    full.later_keys = 0;
    add_both_tiles(cases, full, describe(config) + "_full_mask");
  }
  for (const Variant variant : {Variant::kSm80, Variant::kSm86, Variant::kSm89, Variant::kSm90}) {
    const std::vector<MhaVarlenConfig> some{mla(), suite_config(256, 256, 64, DType::kBFloat16, true),
                                            suite_config(192, 128, 64, DType::kBFloat16, true, true)};
    // The kernels for every SM, with the device's own shared memory: all configs.
    for (const MhaVarlenConfig& config : variant == Variant::kSm90 ? masked_suite_configs() : some) {
      MaskedCase c = standard_case(config, variety++);
      c.attention.variant = variant;
      add_both_tiles(cases, c, describe(config) + "_planned_for_" + to_string(variant));
    }
  }
  const struct {
    Data data;
    const char* name;
  } kinds[] = {
      {Data::kLargeScores, "large_scores"}, {Data::kDominantKey, "dominant_key"}, {Data::kEqualKeys, "equal_keys"}};
  for (const auto& kind : kinds) {
    for (const MhaVarlenConfig& config : {mla(), suite_config(192, 128, 64, DType::kFloat16, true),
                                          suite_config(192, 128, 64, DType::kBFloat16, true, true)}) {
      MaskedCase c = standard_case(config, variety++);
      c.attention.data = kind.data;
      add_both_tiles(cases, c, fmt::format("{}_{}", describe(config), kind.name));
    }
  }
  return cases;
}

std::vector<MaskedCase> masked_performance_cases() {
  struct Shape {
    const char* name;
    int len_q;
    int len_k;
    int heads;
    Sight sight;
    int topk;
  };
  constexpr Shape kShapes[] = {{"q4k_h16_topk_2048", 4096, 4096, 16, Sight::kRandom, 2048},
                               {"q1k_h128_topk_2048", 1024, 4096, 128, Sight::kRandom, 2048},
                               {"q8k_h16_last_512", 8192, 8192, 16, Sight::kWindow, 512},
                               {"q100_s9k_h16_topk_2051", 100, 9000, 16, Sight::kRandom, 2051}};
  std::vector<MaskedCase> cases;
  for (const Shape& shape : kShapes) {
    MaskedCase c;
    c.attention.name = shape.name;
    c.attention.config = mla();
    c.attention.len_q = {shape.len_q};
    c.attention.len_k = {shape.len_k};
    c.attention.heads = c.attention.kv_heads = shape.heads;
    c.attention.k_form = KeyForm::kApart;
    c.attention.v_beside_k = true;
    c.attention.q = c.attention.out = Storage::kPacked;
    c.sight = shape.sight;
    c.topk = shape.topk;
    c.indices = c.mask = Storage::kPacked;
    cases.push_back(c);
  }
  return cases;
}

std::vector<MaskedCase> masked_small_cases() {
  std::vector<MaskedCase> cases;
  int variety = 0;
  const auto add = [&](const MhaVarlenConfig& config, Variant variant) {
    MaskedCase c = standard_case(config, variety++);
    c.attention.variant = variant;
    c.attention.len_q = {3, 0, 150};
    c.attention.len_k = {70, 9, 150};
    c.attention.heads = 2;
    c.attention.kv_heads = variety % 2 == 0 ? 2 : 1;
    if (!c.key_offset.empty()) c.key_offset = {0, 5, 37};
    add_both_tiles(cases, c, describe(config) + "_" + to_string(variant));
  };
  add(mla(), Variant::kOwn);
  add(suite_config(192, 128, 64, DType::kBFloat16, false), Variant::kOwn);
  add(mla(), Variant::kSm90);
  const MhaVarlenConfig e4m3_out = suite_config(192, 128, 64, DType::kBFloat16, true, true);
  add(e4m3_out, Variant::kOwn);  // the fourth: with key_offset, so that its mask's words are misaligned
  add(e4m3_out, Variant::kSm80);
  add(suite_config(256, 256, 64, DType::kBFloat16, true), Variant::kSm86);
  add(suite_config(80, 48, 0, DType::kBFloat16, true), Variant::kOwn);
  return cases;
}

std::vector<MaskedCase> mask_cases() {
  std::vector<MaskedCase> cases;
  const auto add = [&](const std::string& name, std::vector<int> len_q, std::vector<int> len_k, int topk,
                       const auto& change) {
    MaskedCase c;
    c.attention.name = name;
    c.attention.config = suite_config(16, 16, 0, DType::kBFloat16, true);
    c.attention.len_q = std::move(len_q);
    c.attention.len_k = std::move(len_k);
    c.attention.heads = c.attention.kv_heads = 1;
    c.attention.seed = 9000 + cases.size();
    c.topk = topk;
    change(c);
    cases.push_back(c);
  };
  for (const int topk : {0, 1, 2, 31, 127, 128, 129, 2048, 2051, 5000}) {
    add(fmt::format("topk_{}", topk), {70, 1, 200}, {3000, 1, 200}, topk, [](MaskedCase&) {});
    add(fmt::format("topk_{}_packed", topk), {70, 1, 200}, {3000, 1, 200}, topk,
        [](MaskedCase& c) { c.indices = c.mask = Storage::kPacked; });
  }
  add("one_chunk_after_the_other", {70, 3}, {70000, 16385}, 2048, [](MaskedCase&) {});
  add("more_rows_than_sms", {9000}, {9000}, 64, [](MaskedCase&) {});
  add("half_of_the_sms", {4096}, {4096}, 2048, [](MaskedCase& c) { c.indices = Storage::kPacked; });
  add("many_sequences", std::vector<int>(300, 7), std::vector<int>(300, 100), 40, [](MaskedCase&) {});
  add("empty_sequences", {0, 5, 0, 0, 64, 0}, {3, 5, 0, 9, 70, 1}, 40, [](MaskedCase&) {});
  add("spare_tokens", {5, 65}, {9, 70}, 40, [](MaskedCase& c) { c.attention.spare_tokens = 200; });
  add("no_seq_lens", {5, 65}, {9, 70}, 40, [](MaskedCase& c) { c.seq_lens = false; });
  return cases;
}

std::vector<MaskedCase> masked_random_cases(std::uint64_t seed) {
  std::vector<MaskedCase> cases;
  const auto& configs = masked_suite_configs();
  for (const Case& attention : random_cases(seed + 77)) {
    Dice dice(attention.seed);
    MaskedCase c;
    c.attention = attention;
    c.attention.config = configs[cases.size() % configs.size()];
    c.attention.variant = cases.size() / configs.size() % 3 == 2 ? Variant::kSm90 : Variant::kOwn;
    c.form = dice.one_of({MaskForm::kMask, MaskForm::kMask, MaskForm::kIndices});
    c.sight =
        dice.one_of({Sight::kRandom, Sight::kRandom, Sight::kRandom, Sight::kWindow, Sight::kSomeRows, Sight::kNone});
    c.topk = dice.one_of({1, 16, 33, 64, 100, 300, 2048, 2051});
    if (dice.chance(8)) {  // a long context, few queries
      c.attention.len_q = {dice.between(1, 70)};
      c.attention.len_k = {dice.between(1, 9000)};
      c.attention.poisoned_sequence = -1;
    }
    if (dice.chance(40)) {
      for (std::size_t b = 0; b < c.attention.len_q.size(); ++b) {
        c.key_offset.push_back(dice.chance(30) ? 64 * dice.between(0, 9) : dice.between(0, 600));
      }
      c.later_keys = dice.between(0, 200);
    }
    c.indices = dice.one_of({Storage::kPadded, Storage::kPacked});
    c.mask = dice.one_of({Storage::kPadded, Storage::kPacked});
    c.seq_lens = dice.chance(80);
    cases.push_back(c);
  }
  return cases;
}

std::vector<MaskedCase> masked_fixed_cases() {
  std::vector<MaskedCase> all;
  for (const auto& cases :
       {masked_correctness_cases(), masked_corner_cases(), masked_performance_cases(), masked_small_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

std::vector<runtime::KernelPlan> masked_mha_kernels(const runtime::SmFeatures& own) {
  std::vector<OperatorUse> operators;
  for (const auto& cases : {masked_fixed_cases(), masked_random_cases(0)}) {
    for (const MaskedCase& c : cases) {
      const OperatorUse use{c.attention.config, c.attention.variant};
      if (std::find(operators.begin(), operators.end(), use) == operators.end()) operators.push_back(use);
    }
  }
  std::vector<runtime::KernelPlan> kernels;
  for (const OperatorUse& use : operators) {
    for (runtime::KernelPlan& plan :
         runtime::plans(MaskedMhaConfig{use.config}, features_of(use.variant, Tiles::kAsPlanned, own))) {
      kernels.push_back(std::move(plan));
    }
  }
  return kernels;
}

std::vector<CompileCase> masked_mha_compile_cases() {
  std::vector<CompileCase> cases;
  const auto add = [&](const char* target, const MhaVarlenConfig& config) {
    cases.push_back({target, "masked_" + describe(config), [config](const runtime::SmFeatures& features) {
                       return runtime::plans(MaskedMhaConfig{config}, features);
                     }});
  };
  for (const MhaVarlenConfig& config : masked_suite_configs()) add("sm_90a", config);
  for (const char* target : {"sm_80", "sm_86", "sm_89", "sm_100f", "sm_120f"}) {
    add(target, mla());
    add(target, suite_config(192, 128, 64, DType::kBFloat16, true, true));
    add(target, suite_config(256, 256, 64, DType::kBFloat16, true));
  }
  return cases;
}

}  // namespace attnjit::gpu_tests
