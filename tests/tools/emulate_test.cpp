// attnjit emulate as a user runs it, and the grammar of --batch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnjit/error.hpp"
#include "jit/templates.h"
#include "tests/tools/command_line.h"
#include "tests/tools/temporary_folder.h"
#include "tools/batch.h"

namespace attnjit::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Batch, SegmentsAreSequences) {
  const tools::Batch batch = tools::parse_batch("2q128s1k_q3_q2k_q0s5");
  EXPECT_THAT(batch.len_q, ElementsAre(128, 128, 3, 2048, 0));
  EXPECT_THAT(batch.len_k, ElementsAre(1024, 1024, 3, 2048, 5));
}

TEST(Batch, OffsetsArePositionsOfTheFirstKey) {
  const tools::Batch batch = tools::parse_batch("q3s9o37_2q5o2k");
  EXPECT_THAT(batch.offset, ElementsAre(37, 2048, 2048));
  EXPECT_THAT(batch.len_k, ElementsAre(9, 5, 5));
  EXPECT_TRUE(batch.has_offsets());
  EXPECT_FALSE(tools::parse_batch("q3_q5o0").has_offsets());
}

TEST(Batch, StatesAreACountAndTokens) {
  EXPECT_EQ(tools::parse_states("t70").count, 2);
  EXPECT_EQ(tools::parse_states("t70").tokens, 70);
  EXPECT_EQ(tools::parse_states("5t2k").count, 5);
  EXPECT_EQ(tools::parse_states("5t2k").tokens, 2048);
  for (const char* text : {"", "t", "5", "5t", "q5", "-1t3", "3t5x", "3t5_t6"}) {
    EXPECT_THROW(tools::parse_states(text), Error) << text;
  }
}

TEST(Batch, AnythingElseIsRefusedByName) {
  for (const char* text : {"", "_", "q", "5", "q5_", "q5s", "q5x", "-1q5", "q-5", "q5kk", "s5", "q5 ", "q99999999999",
                           "q5o", "q5o3s4", "t5"}) {
    EXPECT_THROW(tools::parse_batch(text), Error) << text;
  }
  try {
    tools::parse_batch("q5_x7");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"x7\" of batch \"q5_x7\""));
  }
}

class Emulate : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer does not know the emulator's fibers";
#endif
  }
  CommandResult run(const std::vector<std::string>& more) const {
    return run_operator({"operator=mla_prefill", "head_dim_qk=32", "head_dim_v=16", "rope_dim=16"}, more);
  }
  CommandResult run_operator(const std::vector<std::string>& config, const std::vector<std::string>& more) const {
    std::vector<std::string> words{ATTNJIT_COMMAND, "emulate", "--config"};
    words.insert(words.end(), config.begin(), config.end());
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words, environment_);
  }
  /// Imitates work on a kernel in a copy of the templates: removes every occurrence of `text` from one file.
  void lose(const std::string& file, const std::string& text) {
    for (const auto& [name, original] : jit::Templates::embedded().files()) {
      const std::filesystem::path path = folder_.path() / "templates" / name;
      std::filesystem::create_directories(path.parent_path());
      std::string changed = original;
      if (name == file) {
        ASSERT_NE(changed.find(text), std::string::npos);
        for (auto at = changed.find(text); at != std::string::npos; at = changed.find(text)) {
          changed.erase(at, text.size());
        }
      }
      std::ofstream(path) << changed;
    }
    environment_["ATTNJIT_TEMPLATE_DIR"] = folder_ / "templates";
  }

  TemporaryFolder folder_;
  Environment environment_ = {{"ATTNJIT_CACHE", folder_ / "cache"},
                              {"ATTNJIT_LIBCUDA", "/nonexistent/libcuda.so.1"},
                              {"ATTNJIT_TEMPLATE_DIR", std::nullopt},
                              {"CXX", std::nullopt}};
};

TEST_F(Emulate, RunsACaseInEachModeAndChecksIt) {
  const CommandResult result = run({"--batch", "q70s130_q3", "--apart", "--seed", "7"});
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  for (const char* mode : {"early", "late", "random"}) {
    EXPECT_THAT(result.out, HasSubstr(std::string("ok: copies land ") + mode + ", seed 7: "));
  }
  EXPECT_THAT(result.out, AllOf(HasSubstr("sm80_mha_varlen {"), HasSubstr("compiled in"), HasSubstr("lse: ")));
  EXPECT_TRUE(std::filesystem::is_directory(folder_ / "cache/emulator"));
  EXPECT_THAT(run({"--batch", "q3", "--completion", "late"}).out,
              AllOf(HasSubstr("found compiled"), Not(HasSubstr("early"))));
}

TEST_F(Emulate, JsonHasTheSame) {
  const CommandResult result = run({"--completion", "late", "--heads", "4", "--kv-heads", "2", "--json"});
  const json parsed = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(parsed.is_object()) << result.out << result.err;
  EXPECT_EQ(parsed["ok"], true);
  ASSERT_EQ(parsed["runs"].size(), 1u);
  const json& only = parsed["runs"][0];
  EXPECT_EQ(only["completion"], "late");
  EXPECT_EQ(only["trouble"], nullptr);
  EXPECT_LE(only["out"]["error"], only["out"]["allowed"]);
  ASSERT_EQ(only["kernels"].size(), 1u);
  EXPECT_GT(only["kernels"][0]["ctas"], 0);
  EXPECT_GT(only["kernels"][0]["milliseconds"], 0);
}

TEST_F(Emulate, TraceTellsWhereEachWarpCame) {
  const CommandResult result = run({"--batch", "q5", "--trace", "0"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("warp 0  cp_async"), HasSubstr("warp 3  cp_async_wait (0 may be pending)"),
                                HasSubstr("kernels/sm80_mha_varlen.cuh:"), HasSubstr("warp 1  exit")));
}

TEST_F(Emulate, AMissingWaitInTemplatesOnDiskFails) {
  lose("kernels/sm80_mha_varlen.cuh", "cp_async_wait<0>();");
  const CommandResult late = run({"--completion", "late"});
  EXPECT_EQ(late.status, 1);
  EXPECT_THAT(late.out, AllOf(HasSubstr("WRONG: copies land late"), HasSubstr("out: ")));
  const CommandResult race = run({"--race"});
  EXPECT_EQ(race.status, 1);
  EXPECT_THAT(race.out, AllOf(HasSubstr("WRONG"), HasSubstr("race: "), HasSubstr("the copy was not waited for"),
                              HasSubstr("_copy.cuh:")));
}

struct OfOperator {
  const char* name;
  std::vector<std::string> config;
  std::vector<std::string> options;
  std::vector<std::string> kernels;  // the kernels it runs, in order
  const char* file;                  // where `lost` is removed
  const char* lost;
};
void PrintTo(const OfOperator& row, std::ostream* stream) { *stream << row.name; }

class EmulateOperator : public Emulate, public ::testing::WithParamInterface<OfOperator> {};

TEST_P(EmulateOperator, RunsItsKernelsAndChecksThem) {
  const OfOperator& row = GetParam();
  std::vector<std::string> options = row.options;
  options.insert(options.end(), {"--completion", "late", "--json"});
  const CommandResult result = run_operator(row.config, options);
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  const json parsed = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(parsed.is_object()) << result.out << result.err;
  const json& kernels = parsed["runs"][0]["kernels"];
  ASSERT_EQ(kernels.size(), row.kernels.size());
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    EXPECT_THAT(kernels[i]["kernel"].get<std::string>(), ::testing::StartsWith(row.kernels[i] + " {"));
  }
}

TEST_P(EmulateOperator, FindsWhatIsWrongWithItsTemplate) {
  lose(GetParam().file, GetParam().lost);
  std::vector<std::string> options = GetParam().options;
  options.insert(options.end(), {"--completion", "late"});
  const CommandResult result = run_operator(GetParam().config, options);
  EXPECT_EQ(result.status, 1) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("WRONG: copies land late"));
}

INSTANTIATE_TEST_SUITE_P(Each, EmulateOperator,
                         ::testing::Values(OfOperator{"masked_mha",
                                                      {"operator=masked_mha", "head_dim_qk=16", "head_dim_v=16"},
                                                      {"--batch", "q70s130o37_q3", "--topk", "20"},
                                                      {"mask_from_topk", "sm80_mha_varlen"},
                                                      "kernels/sm80_mha_varlen.cuh",
                                                      "cp_async_wait<0>();"},
                                           OfOperator{"mask_from_topk",
                                                      {"operator=mask_from_topk"},
                                                      {"--topk", "20"},
                                                      {"mask_from_topk"},
                                                      "kernels/mask_from_topk.cuh",
                                                      "position < len_k && "},
                                           OfOperator{"mla_decode",
                                                      {"operator=mla_decode", "kv_lora_rank=256", "rope_dim=32"},
                                                      {"--batch", "q1s200_q3s70", "--heads", "5"},
                                                      {"sm80_mla_decode", "sm80_mla_combine"},
                                                      "kernels/sm80_mla_decode.cuh",
                                                      "cp_async_wait<kAhead - 1>();"},
                                           OfOperator{"mla_decode_of_equal_lengths",
                                                      {"operator=mla_decode", "kv_lora_rank=256", "rope_dim=32",
                                                       "page_size=1"},
                                                      {"--batch", "2q2s70", "--apart"},
                                                      {"sm80_mla_decode", "sm80_mla_combine"},
                                                      "kernels/sm80_mla_decode.cuh",
                                                      "cp_async_wait<kAhead - 1>();"},
                                           OfOperator{"merge_states",
                                                      {"operator=merge_states", "head_dim=16"},
                                                      {"--batch", "3t40"},
                                                      {"merge_states"},
                                                      "kernels/merge_states.cuh",
                                                      " + chunk * 8 * kBytes"}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(Emulate, WhatAnOperatorDoesNotTakeIsRefused) {
  const std::vector<std::string> decode{"operator=mla_decode", "kv_lora_rank=256", "rope_dim=32"};
  const std::vector<std::string> merge{"operator=merge_states", "head_dim=16"};
  const struct {
    std::vector<std::string> config, options;
    const char* words;
  } rows[] = {{decode, {"--topk", "3"}, "mla_decode does not take --topk"},
              {decode, {"--kv-heads", "1"}, "mla_decode does not take --kv-heads"},
              {decode, {"--batch", "q1s9o3"}, "mla_decode does not take offsets"},
              {decode, {"--tiles", "large"}, "mla_decode does not take --tiles"},
              {merge, {"--batch", "q3"}, "\"q3\" is not [count]t<tokens>[k]"},
              {merge, {"--batch", "3t3", "--apart"}, "it takes two states"},
              {{"operator=mask_from_topk"}, {"--apart"}, "mask_from_topk does not take --apart"}};
  for (const auto& row : rows) {
    const CommandResult result = run_operator(row.config, row.options);
    EXPECT_EQ(result.status, 2) << row.words << result.out;
    EXPECT_THAT(result.err, HasSubstr(row.words));
  }
}

TEST_F(Emulate, WithoutACompilerItSaysWhatToDo) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "takes the compiler that built it, whose sanitizers it carries";
#endif
  environment_["CXX"] = "/nonexistent/c++ -m64";
  const CommandResult result = run({"--batch", "q3"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("/nonexistent/c++ -m64"), HasSubstr("Install g++")));
}

TEST_F(Emulate, BadArgumentsAreUsageErrors) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--batch", "x"},
                                                {"--completion", "never"},
                                                {"--heads", "0"},
                                                {"--heads", "3", "--kv-heads", "2"},
                                                {"--arch", "nothing"},
                                                {"causal=perhaps"}}) {
    const CommandResult result = run(words);
    EXPECT_EQ(result.status, 2) << words[0] << ": " << result.out;
    EXPECT_THAT(result.err, HasSubstr("attnjit: "));
  }
}

}  // namespace
}  // namespace attnjit::test
