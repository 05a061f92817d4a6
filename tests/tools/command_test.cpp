// The attnjit command as a user runs it: a process with its own cache, on a machine without a driver unless a test says
// so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "cache/store.h"
#include "tests/tools/command_line.h"
#include "tests/tools/temporary_folder.h"

namespace attnjit::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

/// Small dims, so that a kernel compiles in about a tenth of a second.
const std::vector<std::string> kSmall = {"--config", "operator=mla_prefill", "head_dim_qk=16", "head_dim_v=16"};

class Command : public ::testing::Test {
 protected:
  CommandResult run(std::vector<std::string> words, bool terminal = false) const {
    words.insert(words.begin(), ATTNJIT_COMMAND);
    return run_program(words, environment_, terminal);
  }
  CommandResult precompile(std::vector<std::string> words, bool terminal = false) const {
    words.insert(words.begin(), {"precompile-cache", "--arch", "sm_80"});
    return run(std::move(words), terminal);
  }
  CommandResult precompile_small(const std::vector<std::string>& more = {}, bool terminal = false) const {
    std::vector<std::string> words = kSmall;
    words.insert(words.end(), more.begin(), more.end());
    return precompile(std::move(words), terminal);
  }
  /// With a file size limit, in blocks of 512 bytes.
  CommandResult precompile_within(int blocks, const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"sh", "-c", "ulimit -f $0; exec \"$@\"", std::to_string(blocks), ATTNJIT_COMMAND};
    words.insert(words.end(), {"precompile-cache", "--arch", "sm_80"});
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words, environment_);
  }
  static json parse(const CommandResult& result) {
    json parsed = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(parsed.is_object()) << "stdout: " << result.out << "\nstderr: " << result.err;
    return parsed;
  }
  static void expect_usage_error(const CommandResult& result, const std::string& message) {
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.err, AllOf(StartsWith("attnjit: "), HasSubstr(message)));
    EXPECT_THAT(result.out, IsEmpty());
  }
  std::string database() const { return folder_ / "cache/" + cache::Store::file_name(); }

  TemporaryFolder folder_;
  Environment environment_ = {{"ATTNJIT_CACHE", folder_ / "cache"},
                              {"ATTNJIT_LIBCUDA", "/nonexistent/libcuda.so.1"},
                              {"ATTNJIT_TEMPLATE_DIR", std::nullopt}};
};

// ---- precompile-cache

TEST_F(Command, PrecompileThenAllHits) {
  const CommandResult cold = precompile_small({"--json"});
  ASSERT_EQ(cold.status, 0) << cold.err;
  const json first = parse(cold);
  const std::size_t kernels = first.at("kernels").size();
  ASSERT_GE(kernels, 1u);
  EXPECT_EQ(first["summary"]["compiled"], kernels);
  EXPECT_EQ(first["summary"]["hits"], 0);
  EXPECT_EQ(first["summary"]["waited"], 0);
  EXPECT_EQ(first["summary"]["failed"], 0);
  EXPECT_GT(first["summary"]["seconds"].get<double>(), 0);
  EXPECT_EQ(first["summary"]["counters"]["compiles"], kernels);
  EXPECT_EQ(first["summary"]["counters"]["misses"], kernels);
  EXPECT_GT(first["summary"]["counters"]["compile_seconds"].get<double>(), 0);
  for (const json& kernel : first["kernels"]) {
    EXPECT_EQ(kernel["operator"]["operator"], "mla_prefill");
    EXPECT_EQ(kernel["operator"]["head_dim_qk"], 16);
    EXPECT_EQ(kernel["config"]["head_dim_qk"], 16);
    EXPECT_EQ(kernel["target"], "sm_80");
    EXPECT_EQ(kernel["tier"], "compiled");
    EXPECT_GT(kernel["seconds"].get<double>(), 0);
    EXPECT_GT(kernel["registers"].get<int>(), 16);
    EXPECT_EQ(kernel["spill_bytes"], 0);
    EXPECT_GT(kernel["shared_bytes"].get<int>(), 0);
    EXPECT_GT(kernel["cubin_bytes"].get<int>(), 1000);
    EXPECT_THAT(kernel["compiler"].get<std::string>(), StartsWith("nvrtc "));
    EXPECT_EQ(kernel["key"].get<std::string>().size(), 64u);
    EXPECT_TRUE(kernel["error"].is_null());
  }

  const json second = parse(precompile_small({"--json"}));
  EXPECT_EQ(second["summary"]["hits"], kernels);
  EXPECT_EQ(second["summary"]["compiled"], 0);
  EXPECT_EQ(second["summary"]["counters"]["store_hits"], kernels);
  for (std::size_t i = 0; i < kernels; ++i) {
    EXPECT_EQ(second["kernels"][i]["key"], first["kernels"][i]["key"]);
    EXPECT_EQ(second["kernels"][i]["tier"], "store");
  }
  const json third = parse(precompile_small({"--json", "--recompile"}));
  EXPECT_EQ(third["summary"]["compiled"], kernels);
}

TEST_F(Command, PlainLinesInALog) {
  const CommandResult result = precompile_small();
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, AllOf(StartsWith("[1/"), HasSubstr("compiled in"), Not(HasSubstr("\r"))));
  EXPECT_THAT(result.out, HasSubstr("0 in the cache"));
  EXPECT_THAT(result.out, HasSubstr("0 failed"));
}

TEST_F(Command, ABarOnATerminal) {
  const CommandResult result =
      precompile_small({"--config", "operator=mla_prefill head_dim_qk=16 head_dim_v=16 causal=0"}, /*terminal=*/true);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("\r\x1b[K["), HasSubstr("=>"), HasSubstr(" left")));
  EXPECT_THAT(result.err, Not(HasSubstr("compiled in")));
}

TEST_F(Command, SeveralConfigsInBothForms) {
  const CommandResult result =
      precompile({"--json", "--config", "operator=mla_prefill head_dim_qk=16 head_dim_v=16 causal=0", "--config",
                  "operator=mla_prefill", "head_dim_qk=16", "head_dim_v=16", "dtype=f16"});
  ASSERT_EQ(result.status, 0) << result.err;
  std::set<std::pair<std::string, bool>> seen;
  const json report = parse(result);
  for (const json& kernel : report["kernels"]) {
    seen.emplace(kernel["operator"]["dtype"], kernel["operator"]["causal"]);
  }
  EXPECT_EQ(seen, (std::set<std::pair<std::string, bool>>{{"bfloat16", false}, {"float16", true}}));
}

TEST_F(Command, AManifestNamesOperators) {
  const std::string manifest = folder_.write(
      "operators.json", R"({"operators": [{"operator": "mla_prefill", "head_dim_qk": 16, "head_dim_v": 16}]})");
  const CommandResult result = precompile({"--json", "--manifest", manifest});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(parse(precompile_small({"--json"}))["summary"]["compiled"], 0);
}

TEST_F(Command, DebugModesKernelIsCompiledWhereDebugModeIsOn) {
  environment_["ATTNJIT_DEBUG_CHECKS"] = "1";
  const json report = parse(precompile_small({"--json"}));
  EXPECT_EQ(report["kernels"].back()["family"], "check_indices");
  environment_["ATTNJIT_DEBUG_CHECKS"] = std::nullopt;
  const json without = parse(precompile_small({"--json"}));
  EXPECT_EQ(without["kernels"].size() + 1, report["kernels"].size());
  EXPECT_EQ(without["summary"]["compiled"], 0);
}

TEST_F(Command, OneKernelThatFailsFailsTheRunAndNoOther) {
  const CommandResult result =
      precompile_small({"--json", "--config", "operator=mla_prefill head_dim_qk=65 head_dim_v=16"});
  EXPECT_EQ(result.status, 1);
  const json report = parse(result);
  EXPECT_EQ(report["summary"]["failed"], 1);
  EXPECT_EQ(report["summary"]["compiled"], report["kernels"].size() - 1);
  const json failed = report["kernels"].back();
  EXPECT_TRUE(failed["tier"].is_null());
  for (const char* unknown : {"family", "config", "key", "compiler"}) EXPECT_TRUE(failed[unknown].is_null()) << unknown;
  EXPECT_THAT(failed["error"].get<std::string>(), HasSubstr("65"));
  EXPECT_THAT(result.err, HasSubstr("failed: "));
}

TEST_F(Command, ALimitThatIsTooSmallForAnyStoreIsSaid) {
  const CommandResult result = precompile_within(40, kSmall);
  EXPECT_EQ(result.status, 1) << result.out;
  EXPECT_THAT(result.err, AllOf(HasSubstr("attnjit: warning: "), HasSubstr("the limit of file sizes (20480 bytes")));
}

/// As on a disk that fills up: the first of two kernels fits, the second does not.
TEST_F(Command, AStoreThatKeepsOnlyAPartIsAFailure) {
  const CommandResult result =
      precompile_within(256, {"--config", "operator=mla_prefill", "head_dim_qk=64", "head_dim_v=64"});
  EXPECT_EQ(result.status, 1) << result.out;
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("attnjit: warning: "), HasSubstr("disk is full"), HasSubstr("did not keep it")));
}

TEST_F(Command, WrongUseOfPrecompileCache) {
  expect_usage_error(precompile({}), "nothing to compile");
  expect_usage_error(precompile({"--preset", "deepseek"}), "there is no preset \"deepseek\"");
  expect_usage_error(precompile({"--config", "head_dim_qk=16"}), "operator is missing");
  expect_usage_error(precompile({"--config", "operator=mla_prefill", "head_dim=64"}), "no field \"head_dim\"");
  expect_usage_error(precompile_small({"--jobs", "0"}), "--jobs");
  expect_usage_error(precompile_small({"--verbose"}), "--verbose");
  expect_usage_error(precompile_small({"--arch", "banana"}), "\"banana\" is not a target");
}

TEST_F(Command, WithoutGpuTheTargetMustBeGiven) {
  expect_usage_error(run({"precompile-cache", "--preset", "minicpm3"}), "--arch sm_90a");
}

TEST_F(Command, WithAGpuTheTargetIsItsOwn) {
  environment_["ATTNJIT_LIBCUDA"] = FAKE_CUDA_PATH;  // pretends to have one GPU with SM 9.0
  std::vector<std::string> words = {"precompile-cache", "--json"};
  words.insert(words.end(), kSmall.begin(), kSmall.end());
  const CommandResult result = run(words);
  ASSERT_EQ(result.status, 0) << result.err;
  const json report = parse(result);
  for (const json& kernel : report["kernels"]) EXPECT_EQ(kernel["target"], "sm_90a");
}

TEST_F(Command, WrongManifests) {
  const auto refused = [&](const std::string& text, const std::string& message) {
    expect_usage_error(precompile({"--manifest", folder_.write("m.json", text)}), message);
  };
  refused(R"({"operators": [], "targets": ["sm_80"]})", "unknown key \"targets\": allowed is operators");
  refused(R"({"operators": [{"operator": "mla_prefill", "head_dim_qk": 16, "head_dim_v": 16}, {"operator": "mla"}]})",
          "operators[1]: there is no operator \"mla\"");
  refused(R"({"operators": [{"operator": "mla_prefill", "heads": 4}]})", "no field \"heads\"");
  refused(R"({"operators": [}]})", "parse error at line 1");
  refused("1e999", "number overflow");
  refused(R"({"operator": "mla_prefill"})", "a list \"operators\"");
  refused(R"({"operators": []})", "nothing to compile");
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  refused(R"({"operators": [)" + deep + "]}", "nested deeper than 64 levels");
  expect_usage_error(precompile({"--manifest", folder_ / "nowhere.json"}), "cannot be read");
}

TEST_F(Command, ACacheFolderThatCannotBeUsedIsAFailure) {
  const std::string file = folder_.write("file", "");
  const CommandResult result = precompile_small({"--cache", file + "/cache"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, AllOf(StartsWith("attnjit: no cache folder"), HasSubstr(file)));
}

// ---- cache

TEST_F(Command, CacheOfNothing) {
  EXPECT_THAT(run({"cache", "ls"}).out, HasSubstr("no kernels"));
  EXPECT_EQ(parse(run({"cache", "stat", "--json"}))["exists"], false);
  EXPECT_EQ(run({"cache", "verify"}).status, 0);
  EXPECT_EQ(parse(run({"cache", "clear", "--json"}))["removed"], 0);
  EXPECT_FALSE(std::filesystem::exists(database()));
}

TEST_F(Command, CacheListsCountsVerifiesAndClears) {
  const json compiled = parse(precompile_small({"--json"}));
  const std::size_t kernels = compiled["kernels"].size();
  std::set<std::string> wanted;
  for (const json& kernel : compiled["kernels"]) wanted.insert(kernel["key"]);

  const json listed = parse(run({"cache", "ls", "--json"}));
  std::set<std::string> keys;
  for (const json& entry : listed["entries"]) {
    keys.insert(entry["key"]);
    EXPECT_EQ(entry["target"], "sm_80");
    EXPECT_EQ(entry["config"]["head_dim_qk"], 16);
    EXPECT_EQ(entry["local"], false);
    EXPECT_THAT(entry["created"].get<std::string>(), ::testing::MatchesRegex("20..-..-..T..:..:..Z"));
  }
  EXPECT_EQ(keys, wanted);
  const CommandResult table = run({"cache", "ls"});
  for (const std::string& key : wanted) EXPECT_THAT(table.out, HasSubstr(key.substr(0, 12)));

  const json stat = parse(run({"cache", "stat", "--json"}));
  EXPECT_EQ(stat["path"], database());
  EXPECT_EQ(stat["entries"], kernels);
  EXPECT_EQ(stat["entries_by_target"]["sm_80"], kernels);
  EXPECT_EQ(stat["file_bytes"], std::filesystem::file_size(database()));
  EXPECT_THAT(run({"cache", "stat"}).out, HasSubstr(database()));

  EXPECT_EQ(run({"cache", "verify"}).status, 0);
  EXPECT_EQ(parse(run({"cache", "clear", "--json"}))["removed"], kernels);
  EXPECT_EQ(parse(run({"cache", "stat", "--json"}))["entries"], 0);
}

TEST_F(Command, CacheOptionWinsOverTheEnvironment) {
  ASSERT_EQ(precompile_small({"--cache", folder_ / "other"}).status, 0);
  EXPECT_EQ(parse(run({"cache", "stat", "--json"}))["exists"], false);
  EXPECT_GT(parse(run({"cache", "stat", "--json", "--cache", folder_ / "other"}))["entries"], 0);
}

TEST_F(Command, VerifyFindsAFlippedByte) {
  ASSERT_EQ(precompile_small().status, 0);
  std::fstream file(database(), std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // Inside a cubin: its own ELF header, far enough in not to touch the row's other columns.
  const std::size_t elf = bytes.find(
      "\x7f"
      "ELF");
  ASSERT_NE(elf, std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(elf + 20));
  file.put(static_cast<char>(bytes[elf + 20] ^ 1));
  file.close();

  const CommandResult result = run({"cache", "verify", "--json"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(parse(result)["faults"].size(), 1u) << result.out;
}

TEST_F(Command, VerifyReportsAFileThatIsNoDatabase) {
  ASSERT_EQ(precompile_small().status, 0);
  std::ofstream(database(), std::ios::binary | std::ios::trunc) << "this is no database, and longer than a header of "
                                                                   "one hundred bytes has to be, so that it is read";
  const CommandResult result = run({"cache", "verify"});
  EXPECT_EQ(result.status, 1) << result.out;
}

TEST_F(Command, WrongUseOfCache) {
  expect_usage_error(run({"cache"}), "ls, stat, verify, clear");
  expect_usage_error(run({"cache", "drop"}), "\"drop\" is not a command");
  const CommandResult memory = run({"cache", "ls", "--cache", ":memory:"});
  EXPECT_EQ(memory.status, 1);
  EXPECT_THAT(memory.err, HasSubstr("no cache folder"));
}

// ---- doctor and the command itself

TEST_F(Command, DoctorWithoutDriver) {
  ASSERT_EQ(precompile_small().status, 0);
  const CommandResult result = run({"doctor", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  const json found = parse(result);
  EXPECT_THAT(found["driver"]["error"].get<std::string>(), HasSubstr("/nonexistent/libcuda.so.1"));
  EXPECT_THAT(found["driver"]["devices"], IsEmpty());
  EXPECT_TRUE(found["nvrtc"]["error"].is_null());
  EXPECT_THAT(found["nvrtc"]["name"].get<std::string>(), StartsWith("NVRTC 1"));
  EXPECT_THAT(found["nvrtc"]["targets"].get<std::vector<std::string>>(), ::testing::Contains("sm_90a"));
  EXPECT_THAT(found["nvrtc"]["candidates"].dump(), HasSubstr("chosen"));
  EXPECT_EQ(found["cache"]["directory"], folder_ / "cache");
  EXPECT_THAT(found["cache"]["reason"].get<std::string>(), HasSubstr("ATTNJIT_CACHE"));
  EXPECT_GT(found["cache"]["entries"], 0);
  EXPECT_THAT(found["cache"]["faults"], IsEmpty());
  EXPECT_EQ(found["templates"]["overridden"], false);
  std::vector<std::string> families;
  for (const json& kernel : found["kernels"]) {
    families.push_back(kernel["family"]);
    EXPECT_THAT(kernel["status"].get<std::string>(), ::testing::AnyOf("run", "pending", "not run"));
    EXPECT_EQ(kernel.contains("device"), kernel["status"] == "run") << kernel;
  }
  for (const char* family :
       {"sm80_mha_varlen", "mask_from_topk", "sm80_mla_decode", "sm80_mla_combine", "merge_states", "check_indices"}) {
    EXPECT_THAT(families, ::testing::Contains(family));
  }

  const CommandResult text = run({"doctor"});
  ASSERT_EQ(text.status, 0) << text.err;
  for (const char* title : {"\ndriver ", "\nnvrtc ", "\ntargets ", "\ncache ", "\ntemplates ", "\nkernels "}) {
    EXPECT_THAT(text.out, HasSubstr(title));
  }
  for (const std::string& family : families) EXPECT_THAT(text.out, HasSubstr(" " + family + ": "));
}

TEST_F(Command, DoctorShowsEveryDevice) {
  environment_["ATTNJIT_LIBCUDA"] = FAKE_CUDA_PATH;
  const json found = parse(run({"doctor", "--json"}));
  EXPECT_TRUE(found["driver"]["error"].is_null());
  EXPECT_THAT(found["driver"]["name"].get<std::string>(), HasSubstr("13.0"));
  EXPECT_EQ(found["driver"]["devices"], json::parse(R"([{"ordinal": 0, "name": "Fake GPU", "compute_capability": "9.0",
                                                         "sms": 132, "target": "sm_90a", "problem": null}])"));
  EXPECT_THAT(run({"doctor"}).out, HasSubstr("device 0: Fake GPU, SM 9.0, 132 SMs: compiled for sm_90a"));
}

TEST_F(Command, DoctorWithoutAnythingUsable) {
  environment_["ATTNJIT_NVRTC"] = "/nonexistent/libnvrtc.so";
  environment_["ATTNJIT_CACHE"] = "/dev/null/cache";
  environment_["ATTNJIT_TEMPLATE_DIR"] = "/nonexistent/templates";
  const CommandResult result = run({"doctor", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  const json found = parse(result);
  EXPECT_THAT(found["nvrtc"]["error"].get<std::string>(), HasSubstr("/nonexistent/libnvrtc.so"));
  EXPECT_THAT(found["nvrtc"]["targets"], IsEmpty());
  EXPECT_TRUE(found["cache"]["directory"].is_null());
  EXPECT_THAT(found["cache"]["rejected"].dump(), HasSubstr("/dev/null/cache"));
  EXPECT_THAT(found["templates"]["error"].get<std::string>(), HasSubstr("/nonexistent/templates"));
  const CommandResult text = run({"doctor"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("none that can be used"), HasSubstr("in memory only")));
}

TEST_F(Command, VersionAndHelpGoToStdout) {
  const CommandResult version = run({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out, std::string("attnjit ") + ATTNJIT_VERSION + "\n");
  const CommandResult help = run({"precompile-cache", "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("--manifest"), HasSubstr("deepseek-v3")));
  expect_usage_error(run({}), "precompile-cache, cache, doctor");
  expect_usage_error(run({"compile"}), "\"compile\" is not a command");
}

}  // namespace
}  // namespace attnjit::test
