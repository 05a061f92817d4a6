#include "operators/operator_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "attnjit/error.hpp"
#include "jit/target.h"

namespace attnjit::runtime {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

MhaVarlenConfig as_mha_varlen(const OperatorConfig& config) { return std::get<MhaVarlenConfig>(config); }

/// The message of the Error that `function` must throw with the given status.
template <class Function>
std::string refusal(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kInvalidArgument);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}
std::string json_refusal(const std::string& text) {
  return refusal([&] { operator_config_from_json(text); });
}
std::string words_refusal(const std::vector<std::string>& words) {
  return refusal([&] { operator_config_from_words(words); });
}

const MhaVarlenConfig kEveryFieldSet{.head_dim_qk = 192,
                                     .head_dim_v = 128,
                                     .rope_dim = 64,
                                     .dtype = DType::kFloat16,
                                     .causal = false,
                                     .out_dtype = DType::kFloat8E4M3};

TEST(OperatorConfig, JsonHasEveryFieldInOrder) {
  EXPECT_EQ(to_json(kEveryFieldSet),
            R"({"operator":"mla_prefill","head_dim_qk":192,"head_dim_v":128,"rope_dim":64,"dtype":"float16",)"
            R"("causal":false,"out_dtype":"float8_e4m3"})");
}

TEST(OperatorConfig, JsonRoundTrip) {
  for (const std::optional<DType> out : {std::optional<DType>(), std::optional(DType::kBFloat16)}) {
    MhaVarlenConfig config = kEveryFieldSet;
    config.out_dtype = out;
    EXPECT_EQ(as_mha_varlen(operator_config_from_json(to_json(config))), config);
  }
  EXPECT_EQ(as_mha_varlen(operator_config_from_json(to_json(kEveryFieldSet))), kEveryFieldSet);
}

TEST(OperatorConfig, WordsSayTheSameAsJson) {
  const OperatorConfig config =
      operator_config_from_words({"operator=mla_prefill", "head_dim_qk=192", "head_dim_v=128", "rope_dim=64",
                                  "dtype=float16", "causal=false", "out_dtype=float8_e4m3"});
  EXPECT_EQ(as_mha_varlen(config), kEveryFieldSet);
}

TEST(OperatorConfig, AbsentFieldsHaveTheirDefaults) {
  const MhaVarlenConfig expected{.head_dim_qk = 64, .head_dim_v = 32, .out_dtype = {}};
  EXPECT_EQ(as_mha_varlen(operator_config_from_words({"head_dim_v=32", "operator=mha_varlen", "head_dim_qk=64"})),
            expected);
  EXPECT_EQ(as_mha_varlen(operator_config_from_json(R"({"operator":"mha_varlen","head_dim_qk":64,"head_dim_v":32})")),
            expected);
}

TEST(OperatorConfig, MergeStatesHasItsOwnFields) {
  const MergeStatesConfig config{.head_dim = 128, .dtype = DType::kFloat32, .out_dtype = DType::kFloat8E4M3};
  const std::string json = R"({"operator":"merge_states","head_dim":128,"dtype":"float32","out_dtype":"float8_e4m3"})";
  EXPECT_EQ(to_json(config), json);
  EXPECT_EQ(std::get<MergeStatesConfig>(operator_config_from_json(json)), config);
  EXPECT_EQ(std::get<MergeStatesConfig>(
                operator_config_from_words({"operator=merge_states", "head_dim=128", "dtype=f32", "out_dtype=e4m3"})),
            config);
  EXPECT_THAT(words_refusal({"operator=merge_states", "head_dim_v=128"}),
              AllOf(HasSubstr("merge_states has no field \"head_dim_v\""), HasSubstr("head_dim, dtype, out_dtype")));
  EXPECT_THAT(words_refusal({"operator=merge_state", "head_dim=128"}), HasSubstr("did you mean merge_states?"));
}

TEST(OperatorConfig, DTypesHaveShortNames) {
  const std::vector<std::pair<std::string, DType>> names = {
      {"float16", DType::kFloat16},   {"f16", DType::kFloat16},     {"fp16", DType::kFloat16},
      {"bfloat16", DType::kBFloat16}, {"bf16", DType::kBFloat16},   {"float8_e4m3", DType::kFloat8E4M3},
      {"e4m3", DType::kFloat8E4M3},   {"float32", DType::kFloat32}, {"f32", DType::kFloat32},
      {"fp32", DType::kFloat32}};
  for (const auto& [name, dtype] : names) {
    const OperatorConfig config =
        operator_config_from_words({"operator=mla_prefill", "head_dim_qk=64", "head_dim_v=64", "out_dtype=" + name});
    EXPECT_EQ(as_mha_varlen(config).out_dtype, dtype) << name;
  }
}

TEST(OperatorConfig, BooleansAreWordsOrBits) {
  for (const auto& [text, expected] : {std::pair("true", true), {"1", true}, {"false", false}, {"0", false}}) {
    const std::string json =
        std::string(R"({"operator":"mla_prefill","head_dim_qk":64,"head_dim_v":64,"causal":)") + text + "}";
    EXPECT_EQ(as_mha_varlen(operator_config_from_json(json)).causal, expected) << text;
    EXPECT_EQ(as_mha_varlen(operator_config_from_words({"operator=mla_prefill", "head_dim_qk=64", "head_dim_v=64",
                                                        std::string("causal=") + text}))
                  .causal,
              expected)
        << text;
  }
  EXPECT_THAT(words_refusal({"operator=mla_prefill", "causal=2"}), HasSubstr("causal is 2, but it takes true, false"));
}

TEST(OperatorConfig, UnknownNamesListWhatIsAllowed) {
  EXPECT_THAT(words_refusal({"operator=mla_prefil"}),
              AllOf(HasSubstr("\"mla_prefil\""), HasSubstr("mha_varlen"), HasSubstr("did you mean mla_prefill?")));
  EXPECT_THAT(words_refusal({"operator=decode"}), AllOf(HasSubstr("mla_prefill"), Not(HasSubstr("did you mean"))));
  EXPECT_THAT(json_refusal(R"({"operator":"mla_prefill","head_dim_kq":64})"),
              AllOf(HasSubstr("\"head_dim_kq\""), HasSubstr("rope_dim"), HasSubstr("did you mean head_dim_qk?")));
  EXPECT_THAT(words_refusal({"operator=mla_prefill", "dtype=bfl16"}),
              AllOf(HasSubstr("dtype is \"bfl16\""), HasSubstr("float8_e4m3"), HasSubstr("did you mean bf16?")));
}

TEST(OperatorConfig, WrongTypesAreNamed) {
  EXPECT_THAT(words_refusal({"operator=mla_prefill", "head_dim_qk=big"}),
              HasSubstr("head_dim_qk is \"big\", but it takes an integer"));
  EXPECT_THAT(words_refusal({"operator=mla_prefill", "head_dim_qk="}), HasSubstr("head_dim_qk is \"\""));
  EXPECT_THAT(json_refusal(R"({"operator":"mla_prefill","head_dim_qk":64.5})"), HasSubstr("head_dim_qk is 64.5"));
  EXPECT_THAT(json_refusal(R"({"operator":"mla_prefill","head_dim_qk":"64"})"), HasSubstr("head_dim_qk is \"64\""));
  EXPECT_THAT(json_refusal(R"({"operator":"mla_prefill","dtype":16})"), HasSubstr("dtype is 16"));
  EXPECT_THAT(json_refusal(R"({"operator":7})"), HasSubstr("operator is 7"));
  EXPECT_THAT(json_refusal(R"({"operator":"mla_prefill","dtype":["bf16"]})"), HasSubstr("dtype is a list, but"));
  EXPECT_THAT(json_refusal(R"({"operator":"mla_prefill","dtype":{}})"), HasSubstr("dtype is an object, but"));
}

TEST(OperatorConfig, WhatCannotBeShownIsRefusedAllTheSame) {
  // Bytes that are not UTF-8, and lists that take more stack to write than there is.
  EXPECT_THAT(words_refusal({"operator=mla_prefill", "head_dim_qk=6\xff"}),
              HasSubstr("head_dim_qk is \"6\uFFFD\", but it takes an integer"));
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  EXPECT_THAT(json_refusal(R"({"operator":"mla_prefill","head_dim_qk":)" + deep + "}"), HasSubstr("is a list"));
}

TEST(OperatorConfig, IntegersThatDoNotFitAreRefused) {
  // 2^64 - 1 reads as -1 if taken for a signed number.
  for (const char* number : {"2147483648", "-2147483649", "18446744073709551615"}) {
    const std::string json = std::string(R"({"operator":"mla_prefill","head_dim_qk":)") + number + "}";
    EXPECT_THAT(json_refusal(json), HasSubstr(std::string("head_dim_qk is ") + number));
    EXPECT_THAT(words_refusal({"operator=mla_prefill", std::string("head_dim_qk=") + number}), HasSubstr(number));
  }
}

TEST(OperatorConfig, WhatIsMissingOrTwiceIsNamed) {
  EXPECT_THAT(words_refusal({}), HasSubstr("operator is missing"));
  EXPECT_THAT(words_refusal({"head_dim_qk=64"}), HasSubstr("operator is missing"));
  EXPECT_THAT(words_refusal({"operator=mla_prefill", "head_dim_qk=64"}), HasSubstr("needs head_dim_v"));
  EXPECT_THAT(words_refusal({"operator=mla_prefill", "rope_dim=0", "rope_dim=16"}),
              HasSubstr("rope_dim is given twice"));
  EXPECT_THAT(words_refusal({"operator=mla_prefill", "causal"}), HasSubstr("\"causal\" is not KEY=VALUE"));
  EXPECT_THAT(words_refusal({"=64"}), HasSubstr("\"=64\" is not KEY=VALUE"));
  EXPECT_THAT(json_refusal("[1]"), HasSubstr("is a JSON object"));
  EXPECT_THAT(json_refusal("{"), HasSubstr("is a JSON object"));
}

TEST(OperatorConfig, PlansFollowTheConfig) {
  const SmFeatures features = sm_features(jit::Target::parse("sm_80"));
  const MhaVarlenConfig config{.head_dim_qk = 96, .head_dim_v = 64, .rope_dim = 32, .out_dtype = {}};
  const std::vector<KernelPlan> kernels = plans(config, features);
  ASSERT_FALSE(kernels.empty());
  for (const KernelPlan& plan : kernels) {
    const auto fields = nlohmann::json::parse(plan.spec.config_json());
    EXPECT_EQ(fields.at("head_dim_qk"), 96);
    EXPECT_EQ(fields.at("head_dim_v"), 64);
    EXPECT_LE(plan.smem_bytes, features.smem_per_cta);
  }
  EXPECT_THROW(plans(MhaVarlenConfig{.head_dim_qk = 65, .head_dim_v = 64, .out_dtype = {}}, features), Error);
}

const MlaDecodeConfig kDecode{.kv_lora_rank = 512,
                              .rope_dim = 64,
                              .dtype = DType::kFloat16,
                              .cache_format = CacheFormat::kE4M3Rows,
                              .page_size = 1,
                              .causal = false,
                              .out_dtype = DType::kFloat8E4M3};

TEST(OperatorConfig, DecodeHasEveryFieldInOrder) {
  EXPECT_EQ(to_json(kDecode),
            R"({"operator":"mla_decode","kv_lora_rank":512,"rope_dim":64,"dtype":"float16","cache_format":"e4m3_rows",)"
            R"("page_size":1,"causal":false,"out_dtype":"float8_e4m3"})");
}

TEST(OperatorConfig, DecodeRoundTrip) {
  for (const CacheFormat format : {CacheFormat::kSame, CacheFormat::kE4M3, CacheFormat::kE4M3Rows}) {
    MlaDecodeConfig config = kDecode;
    config.cache_format = format;
    EXPECT_EQ(std::get<MlaDecodeConfig>(operator_config_from_json(to_json(config))), config);
  }
  const auto from_words =
      operator_config_from_words({"operator=mla_decode", "kv_lora_rank=256", "rope_dim=32", "cache_format=e4m3"});
  EXPECT_EQ(std::get<MlaDecodeConfig>(from_words),
            (MlaDecodeConfig{.kv_lora_rank = 256, .rope_dim = 32, .cache_format = CacheFormat::kE4M3}));
}

TEST(OperatorConfig, AnUnknownCacheFormatIsNamed) {
  EXPECT_THAT(words_refusal({"operator=mla_decode", "kv_lora_rank=512", "rope_dim=64", "cache_format=e4m3_row"}),
              AllOf(HasSubstr("cache_format is \"e4m3_row\""), HasSubstr("same (the queries' type), e4m3 or e4m3_rows"),
                    HasSubstr("did you mean e4m3_rows?")));
  EXPECT_THAT(words_refusal({"operator=mla_decode", "kv_lora_rank=512"}), HasSubstr("mla_decode needs rope_dim"));
}

}  // namespace
}  // namespace attnjit::runtime
