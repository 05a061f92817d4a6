#include "verify/merge_states/cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "operators/merge_states/kernels.h"
#include "verify/dice.h"

namespace attnjit::gpu_tests {
namespace {

constexpr DType kF16 = DType::kFloat16, kBf16 = DType::kBFloat16, kF32 = DType::kFloat32, kE4M3 = DType::kFloat8E4M3;

MergeStatesConfig make_config(int head_dim, DType dtype, DType out_dtype) {
  return {.head_dim = head_dim, .dtype = dtype, .out_dtype = out_dtype};
}

/// Token and head counts that leave the last CTA partially empty.
MergeCase standard_case(const MergeStatesConfig& config, int variety) {
  MergeCase c;
  c.config = config;
  c.tokens = 37;
  c.heads = variety % 2 == 0 ? 4 : 3;
  constexpr LseStorage kLse[] = {LseStorage::kHeadsFirst, LseStorage::kTokensFirst, LseStorage::kPadded};
  c.lses = kLse[variety % 3];
  c.lse = kLse[variety / 3 % 3];
  c.seed = 500 + static_cast<std::uint64_t>(variety);
  return c;
}

}  // namespace

const std::vector<MergeStatesConfig>& merge_configs() {
  static const std::vector<MergeStatesConfig> configs = [] {
    std::vector<MergeStatesConfig> all;
    // Every state type with every output type, for the most common number of v columns.
    for (const DType dtype : {kBf16, kF16, kF32}) {
      for (const DType out : {kBf16, kF16, kF32, kE4M3}) all.push_back(make_config(128, dtype, out));
    }
    // The models' other dims, then dims that leave over lanes or chunks of a row.
    for (const int head_dim : {512, 256, 64}) {
      all.push_back(make_config(head_dim, kBf16, kBf16));
      all.push_back(make_config(head_dim, kBf16, kE4M3));
      all.push_back(make_config(head_dim, kF32, kBf16));
    }
    for (const int head_dim : {16, 48, 80, 208, 272, 496}) {
      all.push_back(make_config(head_dim, kBf16, kBf16));
      all.push_back(make_config(head_dim, kF32, kE4M3));
    }
    return all;
  }();
  return configs;
}

MergeStatesConfig merge_config(int head_dim, DType dtype, DType out_dtype) {
  const MergeStatesConfig wanted = make_config(head_dim, dtype, out_dtype);
  if (std::ranges::find(merge_configs(), wanted) == merge_configs().end()) {
    throw std::logic_error(describe(wanted) + " is no config of the GPU suite");
  }
  return wanted;
}

std::vector<MergeCase> merge_correctness_cases() {
  std::vector<MergeCase> cases;
  int variety = 0;
  const auto add = [&](MergeCase c, const std::string& name) {
    c.name = name;
    cases.push_back(c);
  };
  for (const MergeStatesConfig& config : merge_configs()) {
    MergeCase c = standard_case(config, variety++);
    add(c, describe(config) + "_two");
    c.form = variety % 2 == 0 ? StateForm::kStatesFirst : StateForm::kTokensFirst;
    c.states = 5;
    add(c, describe(config) + "_five");
  }
  for (const Variant variant : {Variant::kSm80, Variant::kSm86, Variant::kSm89}) {
    for (const DType dtype : {kBf16, kF32}) {
      MergeCase c = standard_case(merge_config(128, dtype, kE4M3), variety++);
      c.variant = variant;
      add(c, describe(c.config) + "_planned_for_" + to_string(variant));
    }
  }
  const std::pair<LseData, const char*> kinds[] = {{LseData::kFar, "far_apart"}, {LseData::kEqual, "equal_lse"}};
  for (const auto& [data, name] : kinds) {
    for (const MergeStatesConfig& config :
         {merge_config(128, kBf16, kBf16), merge_config(128, kF32, kF32), merge_config(512, kBf16, kE4M3)}) {
      MergeCase c = standard_case(config, variety++);
      c.lse_data = data;
      add(c, fmt::format("{}_{}", describe(config), name));
    }
  }
  return cases;
}

std::vector<MergeCase> merge_performance_cases() {
  std::vector<MergeCase> cases;
  const auto add = [&](const char* name, const MergeStatesConfig& config, int tokens, int heads, int states) {
    MergeCase c;
    c.name = name;
    c.config = config;
    c.tokens = tokens;
    c.heads = heads;
    c.states = states;
    if (states != 2) c.form = StateForm::kStatesFirst;
    c.outs = c.out = Storage::kPacked;
    cases.push_back(c);
  };
  add("chunks_4k_tokens_h128", merge_config(128, kBf16, kBf16), 4096, 128, 2);
  add("chunks_4k_tokens_h128_e4m3", merge_config(128, kBf16, kE4M3), 4096, 128, 2);
  add("decode_128_tokens_h128_8_ranks", merge_config(512, kBf16, kBf16), 128, 128, 8);
  return cases;
}

std::vector<MergeCase> merge_small_cases() {
  std::vector<MergeCase> cases;
  int variety = 0;
  const auto add = [&](const MergeStatesConfig& config, StateForm form, InPlace in_place, Variant variant) {
    MergeCase c = standard_case(config, variety++);
    c.name = fmt::format("{}_{}", describe(config), variety);
    c.tokens = 11;
    c.form = form;
    c.states = form == StateForm::kTwo ? 2 : 3;
    c.in_place = in_place;
    c.variant = variant;
    cases.push_back(c);
  };
  add(merge_config(128, kBf16, kBf16), StateForm::kTwo, InPlace::kNo, Variant::kOwn);
  add(merge_config(128, kBf16, kE4M3), StateForm::kTwo, InPlace::kNo, Variant::kOwn);
  add(merge_config(128, kBf16, kE4M3), StateForm::kTokensFirst, InPlace::kNo, Variant::kSm80);
  add(merge_config(512, kBf16, kBf16), StateForm::kStatesFirst, InPlace::kFirstState, Variant::kOwn);
  add(merge_config(80, kBf16, kBf16), StateForm::kTwo, InPlace::kLastState, Variant::kOwn);
  add(merge_config(16, kF32, kE4M3), StateForm::kStatesFirst, InPlace::kNo, Variant::kOwn);
  return cases;
}

std::vector<MergeCase> merge_random_cases(std::uint64_t seed) {
  std::vector<MergeCase> cases;
  const auto& configs = merge_configs();
  for (int i = 0; i < kRandomMergeCases; ++i) {
    Dice dice(seed * 1000033 + static_cast<std::uint64_t>(i));
    MergeCase c;
    c.name = fmt::format("random_{:03}", i);
    c.config = configs[static_cast<std::size_t>(i) % configs.size()];
    c.tokens = dice.chance(10) ? dice.between(0, 3) : dice.chance(10) ? dice.between(500, 3000) : dice.between(1, 80);
    c.heads = dice.one_of({1, 2, 3, 5, 8, 11, 16, 40});
    c.form = dice.one_of({StateForm::kTwo, StateForm::kStatesFirst, StateForm::kTokensFirst});
    c.states = c.form == StateForm::kTwo ? 2 : dice.chance(20) ? dice.between(0, 2) : dice.between(2, 12);
    const bool may_be_in_place = c.out_dtype() == c.config.dtype && c.states > 0;
    if (may_be_in_place && dice.chance(50)) c.in_place = dice.one_of({InPlace::kFirstState, InPlace::kLastState});
    const auto storage = [&] {
      return dice.one_of({Storage::kPacked, Storage::kPadded, Storage::kPadded, Storage::kHeadsFirst});
    };
    c.outs = storage();
    if (c.in_place == InPlace::kNo && dice.chance(10)) c.outs = Storage::kOneHead;
    c.out = storage();
    const auto lse = [&] {
      return dice.one_of({LseStorage::kHeadsFirst, LseStorage::kTokensFirst, LseStorage::kPadded});
    };
    c.lses = lse();
    c.lse = dice.chance(20) ? LseStorage::kNone : lse();
    if (dice.chance(50)) c.absent = {-__builtin_inff()};
    if (dice.chance(20)) c.absent = {-__builtin_inff(), __builtin_inff(), __builtin_nanf("")};
    if (dice.chance(30)) c.lse_data = dice.one_of({LseData::kFar, LseData::kEqual});
    if (dice.chance(30)) c.spare_tokens = dice.between(1, 9);
    // With heads that share memory, all of them are poisoned, which is fine: the token is not judged.
    if (c.tokens > 1 && dice.chance(10)) c.poisoned_token = dice.below(c.tokens);
    c.out_scale = dice.one_of({1.f / 64, 1.f / 16, 0.003f, 1.f});
    c.seed = dice.bits();
    cases.push_back(c);
  }
  return cases;
}

std::vector<MergeCase> merge_fixed_cases() {
  std::vector<MergeCase> all;
  for (const auto& cases :
       {merge_correctness_cases(), merge_corner_cases(), merge_performance_cases(), merge_small_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

std::vector<runtime::KernelPlan> merge_states_kernels(const runtime::SmFeatures& own) {
  std::vector<runtime::KernelPlan> kernels;
  for (const auto& cases : {merge_fixed_cases(), merge_random_cases(0)}) {
    for (const MergeCase& c : cases) {
      const auto chosen = runtime::choose_merge_states(c.config, features_of(c.variant, Tiles::kAsPlanned, own));
      kernels.push_back(chosen->plans()[0]);
    }
  }
  return kernels;
}

std::vector<CompileCase> merge_states_compile_cases() {
  std::vector<CompileCase> cases;
  const auto add = [&](const char* target, const MergeStatesConfig& config) {
    cases.push_back({target, describe(config), [config](const runtime::SmFeatures& features) {
                       return runtime::choose_merge_states(config, features)->plans();
                     }});
  };
  for (const char* target : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100f", "sm_120f"}) {
    for (const int head_dim : {128, 512}) {
      for (const DType out : {kBf16, kE4M3}) add(target, make_config(head_dim, kBf16, out));
    }
    add(target, make_config(496, kF32, kE4M3));
    add(target, make_config(512, kF32, kF32));
  }
  return cases;
}

}  // namespace attnjit::gpu_tests
