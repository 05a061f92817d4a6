// merge_states on the emulator against the float64 reference: corner cases with few configs, because the host compiler
// compiles each config.
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/emulator/mutation.h"
#include "tests/emulator/run_here.h"

namespace attnjit::emulator_tests {
namespace {

using emulator::Completion;
using emulator::LaunchOptions;
using gpu_tests::InPlace;
using gpu_tests::LseData;
using gpu_tests::LseStorage;
using gpu_tests::MergeCase;
using gpu_tests::StateForm;
using gpu_tests::Storage;
using gpu_tests::Variant;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Rows that take a whole warp with two chunks per lane, half a warp, and with lanes or chunks to spare; every type of
// states and results; e4m3 by instruction and by integer code.
const MergeStatesConfig kBf16{.head_dim = 128, .dtype = DType::kBFloat16};
const MergeStatesConfig kE4M3{.head_dim = 128, .dtype = DType::kBFloat16, .out_dtype = DType::kFloat8E4M3};
const MergeStatesConfig kWide{.head_dim = 496, .dtype = DType::kBFloat16};
const MergeStatesConfig kF16{.head_dim = 80, .dtype = DType::kFloat16, .out_dtype = DType::kFloat32};
const MergeStatesConfig kFloat{.head_dim = 16, .dtype = DType::kFloat32};

std::vector<MergeCase> cases() {
  std::vector<MergeCase> all;
  const auto add = [&](const std::string& name, const MergeStatesConfig& config, int tokens, int heads,
                       const auto& change) {
    MergeCase c;
    c.name = name;
    c.config = config;
    c.tokens = tokens;
    c.heads = heads;
    c.seed = 4000 + all.size();
    change(c);
    all.push_back(c);
  };
  const auto as_is = [](MergeCase&) {};
  const std::pair<const MergeStatesConfig*, const char*> configs[] = {
      {&kBf16, "bf16"}, {&kE4M3, "e4m3"}, {&kWide, "wide"}, {&kF16, "f16_to_float"}, {&kFloat, "float"}};
  for (const auto& [config, name] : configs) {
    add(std::string(name) + "_two", *config, 7, 3, as_is);
    for (const StateForm form : {StateForm::kStatesFirst, StateForm::kTokensFirst}) {
      add(std::string(name) + (form == StateForm::kStatesFirst ? "_states_first" : "_tokens_first"), *config, 5, 3,
          [f = form](MergeCase& c) {
            c.form = f;
            c.states = 4;
            c.absent = {-kInf, kInf, kNan};
          });
    }
    add(std::string(name) + "_no_keys_anywhere", *config, 3, 2, [](MergeCase& c) {
      c.absent = {-kInf, kNan};
      c.absent_period = 1;
    });
  }
  add("e4m3_by_integer_code", kE4M3, 7, 3, [](MergeCase& c) { c.variant = Variant::kSm80; });
  add("e4m3_clamps", kE4M3, 3, 3, [](MergeCase& c) { c.out_scale = 1e-4f; });
  add("no_token", kBf16, 0, 3, as_is);
  for (const int rows : {15, 16, 17}) add("rows_" + std::to_string(rows), kBf16, rows, 1, as_is);
  for (const int states : {0, 1, 40}) {
    add("states_" + std::to_string(states), kBf16, 3, 2, [s = states](MergeCase& c) {
      c.form = StateForm::kStatesFirst;
      c.states = s;
    });
  }
  add("far_apart", kBf16, 9, 3, [](MergeCase& c) { c.lse_data = LseData::kFar; });
  add("equal_lse", kBf16, 9, 3, [](MergeCase& c) { c.lse_data = LseData::kEqual; });
  add("nan_of_one_token_stays_there", kBf16, 9, 3, [](MergeCase& c) { c.poisoned_token = 4; });
  add("spare_tokens", kBf16, 9, 3, [](MergeCase& c) { c.spare_tokens = 5; });
  add("no_lse_wanted", kBf16, 9, 3, [](MergeCase& c) { c.lse = LseStorage::kNone; });
  add("lse_tokens_first_to_padded", kBf16, 9, 3, [](MergeCase& c) {
    c.lses = LseStorage::kTokensFirst;
    c.lse = LseStorage::kPadded;
  });
  add("everything_transposed", kBf16, 9, 3, [](MergeCase& c) { c.outs = c.out = Storage::kHeadsFirst; });
  add("one_head", kBf16, 9, 3, [](MergeCase& c) { c.outs = Storage::kOneHead; });
  for (const InPlace place : {InPlace::kFirstState, InPlace::kLastState}) {
    const std::string where = place == InPlace::kFirstState ? "first" : "last";
    for (const auto& [config, name] : {configs[0], configs[2], configs[4]}) {
      add(std::string(name) + "_over_the_" + where, *config, 9, 3, [p = place](MergeCase& c) { c.in_place = p; });
    }
    add("states_over_the_" + where, kBf16, 9, 3, [p = place](MergeCase& c) {
      c.form = StateForm::kTokensFirst;
      c.states = 3;
      c.in_place = p;
    });
  }
  return all;
}

class EmulatedMerge : public testing::TestWithParam<MergeCase> {};

TEST_P(EmulatedMerge, MatchesTheReference) {
  const MergeCase& c = GetParam();
  // The kernel has no asynchronous copies, so only the order of its threads varies.
  for (const std::uint64_t seed : {c.seed, c.seed + 1, c.seed + 2}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    EXPECT_EQ(run_here(c, {.seed = seed}).trouble, "");
  }
}

TEST_P(EmulatedMerge, HasNoRace) {
  EXPECT_EQ(run_here(GetParam(), {.seed = GetParam().seed, .race_check = true}).trouble, "");
}

INSTANTIATE_TEST_SUITE_P(Cases, EmulatedMerge, testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

TEST(Mutation, EverySiteOfMergeStatesIsMissed) {
  std::vector<MutationCase> mutated;
  for (const MergeCase& c : cases()) {
    if (c.in_place == InPlace::kNo) continue;
    mutated.push_back({c.name, c.seed, [c](const LaunchOptions& options, emulator::LaunchResult* result) {
                         const Judged judged = run_here(c, options);
                         if (result != nullptr) *result = judged.run;
                         return judged.trouble;
                       }});
  }
  expect_every_site_missed({"merge_states"}, mutated);
}

}  // namespace
}  // namespace attnjit::emulator_tests
