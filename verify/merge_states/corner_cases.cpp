// Corner cases of merging: states without keys, layouts, results written over a state.
#include <limits>
#include <string>
#include <utility>

#include "verify/merge_states/cases.h"

namespace attnjit::gpu_tests {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

const MergeStatesConfig kPrefill = merge_config(128, DType::kBFloat16, DType::kBFloat16);
const MergeStatesConfig kPrefillE4M3 = merge_config(128, DType::kBFloat16, DType::kFloat8E4M3);
const MergeStatesConfig kFloat = merge_config(128, DType::kFloat32, DType::kFloat32);
const MergeStatesConfig kDecode = merge_config(512, DType::kBFloat16, DType::kBFloat16);
const MergeStatesConfig kOdd = merge_config(80, DType::kBFloat16, DType::kBFloat16);

class Table {
 public:
  template <class Change>
  void add(const std::string& name, const MergeStatesConfig& config, int tokens, int heads, const Change& change) {
    MergeCase c;
    c.name = name;
    c.config = config;
    c.tokens = tokens;
    c.heads = heads;
    c.seed = 2000 + cases_.size();
    change(c);
    cases_.push_back(c);
  }
  std::vector<MergeCase> take() { return std::move(cases_); }

 private:
  std::vector<MergeCase> cases_;
};

void add_sizes(Table& table) {
  const auto as_is = [](MergeCase&) {};
  table.add("no_token", kPrefill, 0, 4, as_is);
  table.add("one_row", kPrefill, 1, 1, as_is);
  for (const int heads : {1, 3, 7, 40, 128}) table.add("heads_" + std::to_string(heads), kDecode, 9, heads, as_is);
  // A CTA of 256 threads owns 16 rows of 128 columns: one row fewer, exactly as many, one more.
  for (const int rows : {15, 16, 17}) table.add("rows_" + std::to_string(rows), kPrefill, rows, 1, as_is);
  for (const int states : {0, 1, 2, 3, 64, 300}) {
    table.add("states_" + std::to_string(states), kPrefill, 5, 2, [=](MergeCase& c) {
      c.form = StateForm::kStatesFirst;
      c.states = states;
    });
  }
  table.add("tokens_behind_the_last_one", kPrefill, 7, 3, [](MergeCase& c) { c.spare_tokens = 9; });
}

void add_absent(Table& table) {
  const std::pair<std::vector<float>, const char*> kinds[] = {
      {{-kInf}, "minus_inf"}, {{kInf}, "plus_inf"}, {{kNan}, "nan"}, {{-kInf, kInf, kNan}, "each_kind"}};
  for (const auto& [values, name] : kinds) {
    for (const MergeStatesConfig& config : {kPrefill, kPrefillE4M3, kFloat}) {
      for (const int period : {0, 1}) {
        table.add(describe(config) + "_" + name + (period == 1 ? "_everywhere" : "_in_some"), config, 13, 3,
                  [&, v = values](MergeCase& c) {
                    c.absent = v;
                    c.absent_period = period;
                    if (v.size() > 1) {
                      c.form = StateForm::kTokensFirst;
                      c.states = 6;
                    }
                  });
      }
    }
  }
  table.add("nan_of_one_token_stays_there", kPrefill, 20, 3, [](MergeCase& c) { c.poisoned_token = 7; });
  table.add("nan_of_one_token_stays_there_float", kFloat, 20, 3, [](MergeCase& c) { c.poisoned_token = 0; });
}

void add_layouts(Table& table) {
  const std::pair<LseStorage, const char*> lses[] = {{LseStorage::kHeadsFirst, "heads_first"},
                                                     {LseStorage::kTokensFirst, "tokens_first"},
                                                     {LseStorage::kPadded, "padded"}};
  for (const auto& [in, in_name] : lses) {
    for (const auto& [out, out_name] : lses) {
      table.add(std::string("lse_") + in_name + "_to_" + out_name, kPrefill, 19, 5, [i = in, o = out](MergeCase& c) {
        c.lses = i;
        c.lse = o;
      });
    }
  }
  table.add("no_lse_wanted", kPrefill, 19, 5, [](MergeCase& c) { c.lse = LseStorage::kNone; });
  const std::pair<Storage, const char*> storages[] = {{Storage::kPacked, "packed"},
                                                      {Storage::kHeadsFirst, "heads_first"},
                                                      {Storage::kOneToken, "one_token"},
                                                      {Storage::kOneHead, "one_head"}};
  for (const auto& [storage, name] : storages) {
    table.add(std::string("outs_") + name, kOdd, 19, 5, [s = storage](MergeCase& c) { c.outs = s; });
  }
  for (const Storage storage : {Storage::kPacked, Storage::kHeadsFirst}) {
    const char* const name = storage == Storage::kPacked ? "packed" : "heads_first";
    for (const MergeStatesConfig& config : {kOdd, kPrefillE4M3, kFloat}) {
      table.add(describe(config) + "_out_" + name, config, 19, 5, [=](MergeCase& c) { c.out = storage; });
    }
  }
  // 64-bit offsets: between tokens, heads and states.
  table.add("tokens_past_2_31", kPrefill, 3, 2, [](MergeCase& c) { c.outs = Storage::kFarTokens; });
  table.add("heads_past_2_31", kPrefill, 3, 2, [](MergeCase& c) { c.outs = Storage::kFarHeads; });
  table.add("out_past_2_31", kPrefillE4M3, 3, 2, [](MergeCase& c) { c.out = Storage::kFarTokens; });
  table.add("states_past_2_31", kPrefill, 1, 2, [](MergeCase& c) {
    c.form = StateForm::kStatesFirst;
    c.states = 2;
    c.outs = Storage::kFarTokens;
  });
}

void add_in_place(Table& table) {
  for (const MergeStatesConfig& config : {kPrefill, kFloat, kOdd, kDecode}) {
    for (const InPlace place : {InPlace::kFirstState, InPlace::kLastState}) {
      const std::string suffix = place == InPlace::kFirstState ? "_over_the_first" : "_over_the_last";
      for (const StateForm form : {StateForm::kTwo, StateForm::kStatesFirst, StateForm::kTokensFirst}) {
        const char* const name = form == StateForm::kTwo           ? "_two"
                                 : form == StateForm::kStatesFirst ? "_states_first"
                                                                   : "_tokens_first";
        table.add(describe(config) + name + suffix, config, 33, 3, [=](MergeCase& c) {
          c.form = form;
          c.states = form == StateForm::kTwo ? 2 : 4;
          c.in_place = place;
          c.absent = {-kInf};
        });
      }
    }
  }
}

void add_scales(Table& table) {
  for (const float scale : {1e-4f, 0.01f, 3.f, 100.f}) {
    for (const Variant variant : {Variant::kOwn, Variant::kSm80}) {
      std::string name = "out_scale_" + std::to_string(scale) + "_" + to_string(variant);
      for (char& letter : name) letter = letter == '.' ? '_' : letter;
      table.add(name, kPrefillE4M3, 17, 3, [=](MergeCase& c) {
        c.out_scale = scale;  // the smallest one clamps nearly everything
        c.variant = variant;
      });
    }
  }
}

}  // namespace

std::vector<MergeCase> merge_corner_cases() {
  Table table;
  add_sizes(table);
  add_absent(table);
  add_layouts(table);
  add_in_place(table);
  add_scales(table);
  return table.take();
}

}  // namespace attnjit::gpu_tests
