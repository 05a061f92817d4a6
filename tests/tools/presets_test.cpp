#include "operators/presets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "attnjit/error.hpp"
#include "jit/target.h"

namespace attnjit::runtime {
namespace {

TEST(Presets, ServeEveryTargetFromSm80On) {
  for (const char* arch : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100f", "sm_120f"}) {
    const SmFeatures features = sm_features(jit::Target::parse(arch));
    for (const Preset& preset : presets()) {
      for (const OperatorConfig& config : preset.operators) {
        // No operator may have more than 4 kernels to choose from.
        const std::size_t kernels = plans(config, features).size();
        EXPECT_GE(kernels, 1u) << preset.name << " " << arch << " " << to_json(config);
        EXPECT_LE(kernels, 4u) << preset.name << " " << arch << " " << to_json(config);
      }
    }
  }
}

struct Dims {
  const char* name;
  int head_dim_qk;
  int head_dim_v;
  int rope_dim;
  int latent;
};
constexpr Dims kModels[] = {{"deepseek-v2-lite", 192, 128, 64, 512}, {"deepseek-v3", 192, 128, 64, 512},
                            {"kimi-k2", 192, 128, 64, 512},          {"glm-5", 256, 256, 64, 512},
                            {"minicpm3", 96, 64, 32, 256},           {"mistral-small-4", 128, 128, 64, 256}};

TEST(Presets, HaveTheModelsPrefill) {
  for (const Dims& dims : kModels) {
    // New tokens, in 16 bits and quantized, and the context chunks before them, which are merged in 16 bits: each once.
    std::set<std::pair<bool, DType>> combinations;
    for (const OperatorConfig& operator_config : preset(dims.name).operators) {
      const auto* const config = std::get_if<MhaVarlenConfig>(&operator_config);
      if (config == nullptr) continue;
      EXPECT_EQ(config->head_dim_qk, dims.head_dim_qk) << dims.name;
      EXPECT_EQ(config->head_dim_v, dims.head_dim_v) << dims.name;
      EXPECT_EQ(config->rope_dim, dims.rope_dim) << dims.name;
      EXPECT_EQ(config->dtype, DType::kBFloat16) << dims.name;
      EXPECT_TRUE(combinations.emplace(config->causal, config->out_dtype.value_or(config->dtype)).second) << dims.name;
    }
    const std::set<std::pair<bool, DType>> expected = {
        {true, DType::kBFloat16}, {true, DType::kFloat8E4M3}, {false, DType::kBFloat16}};
    EXPECT_EQ(combinations, expected) << dims.name;
  }
}

TEST(Presets, HaveTheModelsDecodeForEveryCacheFormat) {
  for (const Dims& dims : kModels) {
    std::vector<CacheFormat> formats;
    for (const OperatorConfig& operator_config : preset(dims.name).operators) {
      const auto* const config = std::get_if<MlaDecodeConfig>(&operator_config);
      if (config == nullptr) continue;
      formats.push_back(config->cache_format);
      const MlaDecodeConfig expected{.kv_lora_rank = dims.latent,
                                     .rope_dim = dims.rope_dim,
                                     .dtype = DType::kBFloat16,
                                     .cache_format = config->cache_format,
                                     .page_size = 64,
                                     .causal = true,
                                     .out_dtype = DType::kBFloat16};
      EXPECT_EQ(*config, expected) << dims.name << " " << to_json(operator_config);
    }
    std::vector<CacheFormat> expected = {CacheFormat::kSame, CacheFormat::kE4M3};
    if (dims.latent == 512) expected.push_back(CacheFormat::kE4M3Rows);  // all of these have 64 rope columns
    EXPECT_EQ(formats, expected) << dims.name;
  }
}

/// They are compiled before an engine starts: in less than 10 s with two jobs, at about 0.4 s of a core each.
TEST(Presets, AreNotLong) {
  for (const char* arch : {"sm_80", "sm_90a"}) {
    const SmFeatures features = sm_features(jit::Target::parse(arch));
    for (const Preset& preset : presets()) {
      std::set<std::string> kernels;
      for (const OperatorConfig& config : preset.operators) {
        for (const KernelPlan& plan : plans(config, features)) {
          kernels.insert(plan.spec.family + plan.spec.config_json());
        }
      }
      EXPECT_LE(kernels.size(), 30u) << preset.name << " " << arch;
    }
  }
}

TEST(Presets, MergeWhatPrefillAndDecodeLeave) {
  for (const Dims& dims : kModels) {
    std::set<std::pair<int, DType>> found;
    for (const OperatorConfig& operator_config : preset(dims.name).operators) {
      const auto* const config = std::get_if<MergeStatesConfig>(&operator_config);
      if (config == nullptr) continue;
      EXPECT_EQ(config->dtype, DType::kBFloat16) << dims.name;
      EXPECT_TRUE(found.emplace(config->head_dim, config->out_dtype.value_or(config->dtype)).second) << dims.name;
    }
    const std::set<std::pair<int, DType>> expected = {
        {dims.head_dim_v, DType::kBFloat16}, {dims.head_dim_v, DType::kFloat8E4M3}, {dims.latent, DType::kBFloat16}};
    EXPECT_EQ(found, expected) << dims.name;
  }
}

TEST(Presets, SparseModelsHaveTheirPrefillUnderAMask) {
  for (const Preset& preset : presets()) {
    std::vector<MhaVarlenConfig> dense, masked;
    int builds = 0;
    for (const OperatorConfig& config : preset.operators) {
      if (const auto* const prefill = std::get_if<MhaVarlenConfig>(&config)) dense.push_back(*prefill);
      if (const auto* const sparse = std::get_if<MaskedMhaConfig>(&config)) masked.push_back(sparse->attention);
      builds += std::holds_alternative<MaskFromTopkConfig>(config);
    }
    const bool is_sparse = preset.name == std::string("deepseek-v3") || preset.name == std::string("glm-5");
    EXPECT_EQ(masked, is_sparse ? dense : std::vector<MhaVarlenConfig>()) << preset.name;
    EXPECT_EQ(builds, is_sparse ? 1 : 0) << preset.name;
  }
}

TEST(Presets, NamesDiffer) {
  std::set<std::string> names;
  for (const Preset& preset : presets()) EXPECT_TRUE(names.insert(preset.name).second) << preset.name;
  EXPECT_EQ(names.size(), std::size(kModels));
}

TEST(Presets, AnUnknownNameListsThoseThereAre) {
  try {
    preset("deepseek");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kInvalidArgument);
    for (const Preset& known : presets()) EXPECT_THAT(error.what(), ::testing::HasSubstr(known.name));
  }
}

}  // namespace
}  // namespace attnjit::runtime
