#include "verify/mha_varlen/cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "operators/mha_varlen/kernels.h"

namespace attnjit::gpu_tests {
namespace {

struct Dims {
  int qk;
  int v;
  int rope;
};

// SPEC: those that models use, then odd ones that no tile divides evenly.
constexpr Dims kDims[] = {{192, 128, 64}, {256, 256, 64}, {128, 128, 0}, {128, 128, 64}, {96, 64, 32},  {256, 128, 0},
                          {64, 64, 0},    {96, 96, 0},    {16, 16, 0},   {80, 48, 0},    {240, 112, 0}, {48, 256, 0}};

MhaVarlenConfig make_config(const Dims& dims, DType dtype, bool causal, bool e4m3_output) {
  MhaVarlenConfig config{.head_dim_qk = dims.qk,
                         .head_dim_v = dims.v,
                         .rope_dim = dims.rope,
                         .dtype = dtype,
                         .causal = causal,
                         .out_dtype = {}};
  if (e4m3_output) config.out_dtype = DType::kFloat8E4M3;
  return config;
}

/// Lengths around all tile boundaries: less than a tile, exactly one, one more, several.
Case standard_case(const MhaVarlenConfig& config, int variety) {
  Case c;
  c.config = config;
  c.len_q = {1, 17, 64, 130, 300};
  c.len_k = {1, 40, 64, 200, 513};
  c.heads = 4;
  c.kv_heads = variety % 3 == 0 ? 4 : variety % 3 == 1 ? 2 : 1;
  if (config.rope_dim > 0) {
    c.q_form = variety % 2 == 0 ? QueryForm::kApart : QueryForm::kJoint;
    c.k_form = variety % 3 == 0 ? KeyForm::kApart : variety % 3 == 1 ? KeyForm::kApartPerHead : KeyForm::kJoint;
  }
  c.seed = 100 + static_cast<std::uint64_t>(variety);
  return c;
}

/// Both tile sizes of the same case.
void add_both_tiles(std::vector<Case>& cases, Case c, const std::string& name) {
  for (const Tiles tiles : {Tiles::kLarge, Tiles::kSmall}) {
    c.tiles = tiles;
    c.name = name + (tiles == Tiles::kLarge ? "_large" : "_small");
    cases.push_back(c);
  }
}

const std::vector<MhaVarlenConfig>& variant_configs() {
  static const std::vector<MhaVarlenConfig> configs{
      suite_config(192, 128, 64, DType::kBFloat16, true), suite_config(256, 256, 64, DType::kBFloat16, true),
      suite_config(128, 128, 0, DType::kFloat16, false), suite_config(192, 128, 64, DType::kBFloat16, true, true)};
  return configs;
}

}  // namespace

const std::vector<MhaVarlenConfig>& suite_configs() {
  static const std::vector<MhaVarlenConfig> configs = [] {
    std::vector<MhaVarlenConfig> all;
    for (std::size_t i = 0; i < std::size(kDims); ++i) {
      all.push_back(make_config(kDims[i], DType::kBFloat16, true, false));
      // The second config of each dims varies, in turn, the mask, the type, or both.
      all.push_back(make_config(kDims[i], i % 3 == 0 ? DType::kBFloat16 : DType::kFloat16, i % 3 == 1, false));
    }
    all.push_back(make_config({192, 128, 64}, DType::kFloat16, true, false));
    all.push_back(make_config({192, 128, 64}, DType::kBFloat16, true, true));
    all.push_back(make_config({192, 128, 64}, DType::kBFloat16, false, true));
    all.push_back(make_config({128, 128, 0}, DType::kFloat16, true, true));
    all.push_back(make_config({256, 256, 64}, DType::kBFloat16, false, true));
    return all;
  }();
  return configs;
}

MhaVarlenConfig suite_config(int head_dim_qk, int head_dim_v, int rope_dim, DType dtype, bool causal,
                             bool e4m3_output) {
  const MhaVarlenConfig wanted = make_config({head_dim_qk, head_dim_v, rope_dim}, dtype, causal, e4m3_output);
  const auto& configs = suite_configs();
  if (std::find(configs.begin(), configs.end(), wanted) == configs.end()) {
    throw std::logic_error(describe(wanted) + " is no config of the GPU suite");
  }
  return wanted;
}

std::vector<Case> correctness_cases() {
  std::vector<Case> cases;
  int variety = 0;
  for (const MhaVarlenConfig& config : suite_configs()) {
    add_both_tiles(cases, standard_case(config, variety++), describe(config));
  }
  for (const Variant variant : {Variant::kSm80, Variant::kSm86, Variant::kSm89, Variant::kSm90}) {
    // The kernels for every SM, with the device's own shared memory: all configs.
    for (const MhaVarlenConfig& config : variant == Variant::kSm90 ? suite_configs() : variant_configs()) {
      Case c = standard_case(config, variety++);
      c.variant = variant;
      add_both_tiles(cases, c, describe(config) + "_planned_for_" + to_string(variant));
    }
  }
  const struct {
    Data data;
    const char* name;
  } kinds[] = {
      {Data::kLargeScores, "large_scores"}, {Data::kDominantKey, "dominant_key"}, {Data::kEqualKeys, "equal_keys"}};
  for (const auto& kind : kinds) {
    for (const MhaVarlenConfig& config :
         {suite_config(192, 128, 64, DType::kBFloat16, true), suite_config(192, 128, 64, DType::kBFloat16, false),
          suite_config(192, 128, 64, DType::kFloat16, true), suite_config(128, 128, 0, DType::kFloat16, false),
          suite_config(256, 256, 64, DType::kBFloat16, true),
          suite_config(192, 128, 64, DType::kBFloat16, true, true)}) {
      Case c = standard_case(config, variety++);
      c.data = kind.data;
      add_both_tiles(cases, c, fmt::format("{}_{}", describe(config), kind.name));
    }
  }
  return cases;
}

std::vector<Case> performance_cases() {
  struct Shape {
    const char* name;
    int sequences;
    int len_q;
    int len_k;
    int heads;
    bool causal;
    bool e4m3_output;
  };
  // TARGETS' batches that differ in kind: many heads, one long sequence, several, chunks, many short ones.
  constexpr Shape kShapes[] = {
      {"q1k_h128_causal", 1, 1024, 1024, 128, true, false},  {"q4k_h128_causal", 1, 4096, 4096, 128, true, false},
      {"q4k_h16_causal", 1, 4096, 4096, 16, true, false},    {"q2k_h16_full", 1, 2048, 2048, 16, false, false},
      {"4q1k_h16_causal", 4, 1024, 1024, 16, true, false},   {"8q512_h16_causal", 8, 512, 512, 16, true, false},
      {"q512s4k_h16_causal", 1, 512, 4096, 16, true, false}, {"q128s1k_h128_full", 1, 128, 1024, 128, false, false},
      {"q2k_h16_causal_e4m3", 1, 2048, 2048, 16, true, true}};
  std::vector<Case> cases;
  for (const Shape& shape : kShapes) {
    Case c;
    c.name = shape.name;
    c.config = suite_config(192, 128, 64, DType::kBFloat16, shape.causal, shape.e4m3_output);
    c.len_q.assign(shape.sequences, shape.len_q);
    c.len_k.assign(shape.sequences, shape.len_k);
    c.heads = c.kv_heads = shape.heads;
    // As engines call it: q in one piece, k_nope and v views into one projection, k_pe shared.
    c.k_form = KeyForm::kApart;
    c.v_beside_k = true;
    c.q = c.out = Storage::kPacked;
    cases.push_back(c);
  }
  return cases;
}

std::vector<Case> small_cases() {
  std::vector<Case> cases;
  int variety = 0;
  const auto add = [&](const MhaVarlenConfig& config, Variant variant) {
    Case c = standard_case(config, variety++);
    c.variant = variant;
    c.len_q = {3, 0, 150};
    c.len_k = {70, 9, 150};
    c.heads = 2;
    c.kv_heads = variety % 2 == 0 ? 2 : 1;
    add_both_tiles(cases, c, describe(config) + "_" + to_string(variant));
  };
  add(suite_config(192, 128, 64, DType::kBFloat16, true), Variant::kOwn);
  add(suite_config(192, 128, 64, DType::kBFloat16, false), Variant::kOwn);
  add(suite_config(192, 128, 64, DType::kBFloat16, true, true), Variant::kOwn);
  add(suite_config(192, 128, 64, DType::kBFloat16, true, true), Variant::kSm80);
  add(suite_config(256, 256, 64, DType::kBFloat16, true), Variant::kSm86);
  add(suite_config(192, 128, 64, DType::kBFloat16, true), Variant::kSm90);
  add(suite_config(128, 128, 0, DType::kFloat16, false), Variant::kOwn);
  add(suite_config(80, 48, 0, DType::kBFloat16, true), Variant::kOwn);
  add(suite_config(16, 16, 0, DType::kFloat16, false), Variant::kOwn);
  return cases;
}

std::vector<Case> fixed_cases() {
  std::vector<Case> all;
  for (const auto& cases : {correctness_cases(), corner_cases(), performance_cases(), small_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

std::vector<runtime::KernelPlan> mha_varlen_kernels(const runtime::SmFeatures& own) {
  std::vector<OperatorUse> operators;
  for (const auto& cases : {fixed_cases(), random_cases(0)}) {
    for (const Case& c : cases) {
      const OperatorUse use{c.config, c.variant};
      if (std::find(operators.begin(), operators.end(), use) == operators.end()) operators.push_back(use);
    }
  }
  std::vector<runtime::KernelPlan> kernels;
  for (const OperatorUse& use : operators) {
    const auto chosen = runtime::choose_mha_varlen(use.config, features_of(use.variant, Tiles::kAsPlanned, own));
    kernels.insert(kernels.end(), chosen->plans().begin(), chosen->plans().end());
  }
  return kernels;
}

std::vector<CompileCase> mha_varlen_compile_cases() {
  std::vector<CompileCase> cases;
  const auto add = [&](const char* target, const MhaVarlenConfig& config) {
    cases.push_back({target, describe(config), [config](const runtime::SmFeatures& features) {
                       return runtime::choose_mha_varlen(config, features)->plans();
                     }});
  };
  std::set<std::pair<int, int>> seen;
  for (const MhaVarlenConfig& config : suite_configs()) {
    if (seen.insert({config.head_dim_qk, config.head_dim_v}).second) add("sm_90a", config);
  }
  for (const char* target : {"sm_80", "sm_86", "sm_89", "sm_100f", "sm_120f"}) {
    add(target, suite_config(192, 128, 64, DType::kBFloat16, true));
    add(target, suite_config(192, 128, 64, DType::kBFloat16, true, true));
    add(target, suite_config(256, 256, 64, DType::kBFloat16, true));
  }
  return cases;
}

}  // namespace attnjit::gpu_tests
