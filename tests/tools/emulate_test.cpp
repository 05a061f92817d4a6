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

TEST(Batch, AnythingElseIsRefusedByName) {
  for (const char* text :
       {"", "_", "q", "5", "q5_", "q5s", "q5x", "-1q5", "q-5", "q5kk", "s5", "q5 ", "q99999999999"}) {
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
  CommandResult run(const std::vector<std::string>& more) const {
    std::vector<std::string> words{ATTNJIT_COMMAND,  "emulate",       "--config",   "operator=mla_prefill",
                                   "head_dim_qk=32", "head_dim_v=16", "rope_dim=16"};
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words, environment_);
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
  EXPECT_GT(only["ctas"], 0);
}

TEST_F(Emulate, TraceTellsWhereEachWarpCame) {
  const CommandResult result = run({"--batch", "q5", "--trace", "0"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("warp 0  cp_async"), HasSubstr("warp 3  cp_async_wait (0 may be pending)"),
                                HasSubstr("kernels/sm80_mha_varlen.cuh:"), HasSubstr("warp 1  exit")));
}

/// Somebody works on a kernel, in a copy of the templates, and loses a line.
TEST_F(Emulate, AMissingWaitInTemplatesOnDiskFails) {
  for (const auto& [name, text] : jit::Templates::embedded().files()) {
    const std::filesystem::path path = folder_.path() / "templates" / name;
    std::filesystem::create_directories(path.parent_path());
    std::string changed = text;
    const std::string wait = "cp_async_wait<0>();";
    if (name == "kernels/sm80_mha_varlen.cuh") {
      ASSERT_NE(changed.find(wait), std::string::npos);
      changed.erase(changed.find(wait), wait.size());
    }
    std::ofstream(path) << changed;
  }
  environment_["ATTNJIT_TEMPLATE_DIR"] = folder_ / "templates";
  const CommandResult late = run({"--completion", "late"});
  EXPECT_EQ(late.status, 1);
  EXPECT_THAT(late.out, AllOf(HasSubstr("WRONG: copies land late"), HasSubstr("out: ")));
  const CommandResult race = run({"--race"});
  EXPECT_EQ(race.status, 1);
  EXPECT_THAT(race.out, AllOf(HasSubstr("WRONG"), HasSubstr("race: "), HasSubstr("the copy was not waited for"),
                              HasSubstr("_copy.cuh:")));
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
