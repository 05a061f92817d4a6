// attnjit cache gc, export and explain, on caches filled by the tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <utility>

#include "cache/store.h"
#include "operators/operator_config.h"
#include "runtime/context_impl.h"
#include "tests/tools/command_line.h"
#include "tests/tools/temporary_folder.h"

namespace attnjit::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kConfig = "operator=mla_prefill head_dim_qk=16 head_dim_v=16";
const runtime::OperatorConfig kOperator = MhaVarlenConfig{.head_dim_qk = 16, .head_dim_v = 16};

/// The cuobjdump of the CUDA toolkit, which need not be installed. Empty if it is not.
std::string find_cuobjdump() {
  std::vector<std::filesystem::path> folders;
  if (const char* const path = std::getenv("PATH")) {
    std::istringstream list(path);
    for (std::string folder; std::getline(list, folder, ':');) folders.emplace_back(folder);
  }
  for (const char* const name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const char* const toolkit = std::getenv(name)) folders.push_back(std::filesystem::path(toolkit) / "bin");
  }
  folders.emplace_back("/usr/local/cuda/bin");
  for (const std::filesystem::path& folder : folders) {
    if (::access((folder / "cuobjdump").c_str(), X_OK) == 0) return folder / "cuobjdump";
  }
  return "";
}

class CacheCommand : public ::testing::Test {
 protected:
  CacheCommand() { std::filesystem::create_directory(folder_ / "cache"); }

  CommandResult run(std::vector<std::string> words) const {
    words.insert(words.begin(), {ATTNJIT_COMMAND, "cache"});
    return run_program(words, environment_);
  }
  static json parse(const CommandResult& result) {
    json parsed = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(parsed.is_object()) << "stdout: " << result.out << "\nstderr: " << result.err;
    return parsed;
  }
  /// Compiles a config and exports its cubins.
  std::vector<std::string> export_compiled() const {
    const CommandResult compiled =
        run_program({ATTNJIT_COMMAND, "precompile-cache", "--arch", "sm_80", "--config", kConfig}, environment_);
    EXPECT_EQ(compiled.status, 0) << compiled.err;
    const CommandResult result = run({"export", folder_ / "out"});
    EXPECT_EQ(result.status, 0) << result.err;
    std::vector<std::string> cubins;
    for (const auto& file : std::filesystem::directory_iterator(folder_ / "out")) {
      if (file.path().extension() == ".cubin") cubins.push_back(file.path());
    }
    EXPECT_FALSE(cubins.empty());
    return cubins;
  }
  cache::Store store() const { return cache::Store(folder_ / "cache"); }

  /// The key fields of the operator's kernels on a target, as the library makes them.
  static std::vector<cache::KeyFields> wanted(const std::string& arch) {
    ContextOptions options;
    options.device = ContextOptions::kNoDevice;
    options.arch = arch;
    options.cache_path = ":memory:";
    const Context context(options);
    std::vector<cache::KeyFields> fields;
    for (const runtime::KernelPlan& plan : runtime::plans(kOperator, runtime::context_impl(context)->features())) {
      fields.push_back(runtime::context_impl(context)->loader().key_fields(plan));
    }
    return fields;
  }
  /// Bytes that stand for a cubin: these tests do not look into them.
  void put(const cache::KeyFields& fields, std::int64_t used = 0, std::size_t bytes = 2000, bool local = false) const {
    cache::Entry entry;
    entry.fields = fields;
    entry.compiler = {"nvrtc", 13, 0};
    entry.entry_point = "attnjit_kernel";
    entry.image.assign(bytes, static_cast<unsigned char>(fields.key().bytes[0]));
    entry.resources = {{"registers", 168}};
    entry.log = "ptxas info    : \xff not UTF-8\n";
    entry.created_unix = used;
    entry.local = local;
    store().put(entry);
  }
  static cache::KeyFields numbered(int number) {
    return {.family = number % 2 == 0 ? "even" : "odd",
            .config = "{\"number\":" + std::to_string(number) + "}",
            .target = number < 4 ? "sm_80" : "sm_90a",
            .options = "-std=c++20",
            .source_digest = std::string(64, 'd'),
            .schema = 1};
  }
  std::set<int> numbers_left(int up_to) const {
    std::set<int> left;
    for (int i = 0; i < up_to; ++i) {
      if (store().find(numbered(i), {})) left.insert(i);
    }
    return left;
  }

  TemporaryFolder folder_;
  Environment environment_ = {{"ATTNJIT_CACHE", folder_ / "cache"},
                              {"ATTNJIT_CACHE_MAX_SIZE", std::nullopt},
                              {"ATTNJIT_LIBCUDA", "/nonexistent/libcuda.so.1"},
                              {"ATTNJIT_TEMPLATE_DIR", std::nullopt}};
};

// ---- gc

TEST_F(CacheCommand, GcRemovesByAgeOfTheLastUse) {
  const std::int64_t now = std::time(nullptr);
  for (int i = 0; i < 6; ++i) put(numbered(i), now - i * 86'400 - 3600);
  const json report = parse(run({"gc", "--older-than", "3", "--json"}));
  EXPECT_EQ(report["removed_unused"], 3);
  EXPECT_EQ(report["removed_for_size"], 0);
  EXPECT_EQ(numbers_left(6), (std::set<int>{0, 1, 2}));
}

TEST_F(CacheCommand, GcKeepsASizeAndTheFileShrinks) {
  for (int i = 0; i < 10; ++i) put(numbered(i), 1'700'000'000 + i, 50'000);
  const auto file = std::filesystem::path(folder_ / "cache") / cache::Store::file_name();
  ASSERT_GT(std::filesystem::file_size(file), 500'000u);
  const CommandResult plain = run({"gc"});
  EXPECT_EQ(plain.status, 0) << plain.err;
  EXPECT_THAT(plain.out, AllOf(StartsWith("0 kernels removed"), HasSubstr("at most 2.0 GiB")));

  environment_["ATTNJIT_CACHE_MAX_SIZE"] = "400K";
  const json by_environment = parse(run({"gc", "--json"}));
  EXPECT_EQ(by_environment["max_bytes"], 400 * 1024);
  EXPECT_LE(std::filesystem::file_size(file), 400u * 1024);
  EXPECT_EQ(by_environment["bytes_after"], std::filesystem::file_size(file));

  const json report = parse(run({"gc", "--max-size", "200K", "--json"}));
  EXPECT_GE(report["removed_for_size"], 1);
  EXPECT_LE(std::filesystem::file_size(file), 200u * 1024);
  EXPECT_EQ(numbers_left(10), (std::set<int>{7, 8, 9}));
  EXPECT_EQ(run({"verify"}).status, 0);
}

TEST_F(CacheCommand, GcRefusesWhatItDoesNotUnderstandAndTouchesNothing) {
  put(numbered(0), 1);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"gc", "--max-size", "lots"}, {"gc", "--max-size", "-1"}, {"gc", "--older-than", "week"}}) {
    const CommandResult result = run(words);
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.err, AllOf(StartsWith("attnjit: "), HasSubstr(words[1])));
  }
  environment_["ATTNJIT_CACHE_MAX_SIZE"] = "lots";
  EXPECT_EQ(run({"gc"}).status, 2);
  EXPECT_EQ(numbers_left(1), (std::set<int>{0}));
}

TEST_F(CacheCommand, GcMakesNoCache) {
  EXPECT_EQ(run({"gc"}).status, 0);
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(folder_ / "cache") / cache::Store::file_name()));
}

// ---- export

TEST_F(CacheCommand, ExportUnderALimitOfFileSizesEndsWithAMessage) {
  put(numbered(0), 1'700'000'000);
  const std::string under_limit = "ulimit -f 1; exec \"$0\" cache export \"$1\"";
  const CommandResult result =
      run_program({"/bin/sh", "-c", under_limit, ATTNJIT_COMMAND, folder_ / "out"}, environment_);
  EXPECT_EQ(result.status, 1);  // and no signal
  EXPECT_THAT(result.err, HasSubstr("cannot be written: File too large"));
}

TEST_F(CacheCommand, ExportWritesCubinsAndWhatIsKnownOfThem) {
  for (int i = 0; i < 3; ++i) put(numbered(i), 1'700'000'000 + i);
  const json report = parse(run({"export", folder_ / "out/deep", "--json"}));
  ASSERT_EQ(report["kernels"].size(), 3u);
  for (const json& kernel : report["kernels"]) {
    const std::filesystem::path cubin =
        std::filesystem::path(folder_ / "out/deep") / kernel["cubin"].get<std::string>();
    EXPECT_EQ(cubin.extension(), ".cubin");
    std::ifstream image(cubin, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(image)), {});
    const int number = kernel["config"]["number"];
    const auto entry = store().find(numbered(number), {});
    ASSERT_TRUE(entry);
    EXPECT_EQ(bytes, std::string(entry->image.begin(), entry->image.end()));
    std::ifstream text(std::filesystem::path(cubin).replace_extension(".json"));
    const json beside = json::parse(text);
    EXPECT_EQ(beside["key"], numbered(number).key().hex());
    EXPECT_EQ(beside["target"], "sm_80");
    EXPECT_EQ(beside["compiler"], "nvrtc 13.0");
    EXPECT_EQ(beside["resources"]["registers"], 168);
    EXPECT_THAT(beside["log"].get<std::string>(), StartsWith("ptxas info"));
    EXPECT_EQ(beside["cubin_bytes"], 2000);
  }
}

TEST_F(CacheCommand, ExportedCubinsAreElfFilesThatBinutilsRead) {
  for (const std::string& cubin : export_compiled()) {
    const CommandResult header = run_program({"readelf", "--wide", "--file-header", "--symbols", cubin}, {});
    EXPECT_EQ(header.status, 0) << header.err;
    EXPECT_THAT(header.out, AllOf(HasSubstr("NVIDIA CUDA"), HasSubstr("attnjit_sm80_mha_varlen")));
  }
}

/// What cuobjdump finds in a cubin matches the JSON file beside it.
TEST_F(CacheCommand, ExportedCubinsAreReadByCuobjdump) {
  const std::string cuobjdump = find_cuobjdump();
  if (cuobjdump.empty()) GTEST_SKIP() << "no cuobjdump in PATH, CUDA_HOME, CUDA_PATH or /usr/local/cuda";
  const CommandResult version = run_program({cuobjdump, "--version"}, {});
  std::smatch release;
  ASSERT_TRUE(std::regex_search(version.out, release, std::regex(R"(release (\d+)\.(\d+))"))) << version.out;
  if (std::pair(std::stoi(release[1]), std::stoi(release[2])) < std::pair(12, 8)) {
    GTEST_SKIP() << cuobjdump << " is older than 12.8, and so than every NVRTC that is used";
  }
  for (const std::string& cubin : export_compiled()) {
    std::ifstream text(std::filesystem::path(cubin).replace_extension(".json"));
    const json beside = json::parse(text);
    const CommandResult dump = run_program({cuobjdump, "--dump-resource-usage", cubin}, {});
    ASSERT_EQ(dump.status, 0) << cuobjdump << ": " << dump.out << dump.err;
    EXPECT_THAT(dump.out, AllOf(HasSubstr("attnjit_sm80_mha_varlen"),
                                HasSubstr("REG:" + beside["resources"]["registers"].dump() + " ")));
  }
}

TEST_F(CacheCommand, ExportFilters) {
  for (int i = 0; i < 8; ++i) put(numbered(i), 1'700'000'000 + i);
  const auto exported = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"export", folder_ / "out", "--json"});
    std::set<int> numbers;
    const json report = parse(run(words));
    for (const json& kernel : report["kernels"]) numbers.insert(kernel["config"]["number"].get<int>());
    return numbers;
  };
  EXPECT_EQ(exported({"--family", "odd"}), (std::set<int>{1, 3, 5, 7}));
  EXPECT_EQ(exported({"--arch", "90a"}), (std::set<int>{4, 5, 6, 7}));
  EXPECT_EQ(exported({"--arch", "sm_90a,sm_80", "--family", "even"}), (std::set<int>{0, 2, 4, 6}));
  EXPECT_EQ(exported({"--family", "other"}), std::set<int>{});
  EXPECT_EQ(run({"export", folder_ / "out", "--arch", "hopper"}).status, 2);
  EXPECT_EQ(run({"export"}).status, 2);
}

TEST_F(CacheCommand, ExportLeavesLocalKernelsOutUnlessAsked) {
  put(numbered(0), 1'700'000'000);
  put(numbered(1), 1'700'000'001, 2000, /*local=*/true);
  const json without = parse(run({"export", folder_ / "out", "--json"}));
  EXPECT_EQ(without["kernels"].size(), 1u);
  EXPECT_EQ(without["left_out_local"], 1);
  EXPECT_EQ(parse(run({"export", folder_ / "all", "--local", "--json"}))["kernels"].size(), 2u);
}

TEST_F(CacheCommand, ExportToWhatIsNoFolderFails) {
  put(numbered(0));
  const CommandResult result = run({"export", folder_.write("file", "x")});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, AllOf(StartsWith("attnjit: "), HasSubstr("file")));
}

// ---- explain

TEST_F(CacheCommand, ExplainSaysCachedOnlyWhenEveryKernelIs) {
  const std::vector<cache::KeyFields> kernels = wanted("sm_80");
  for (const cache::KeyFields& fields : kernels) {
    EXPECT_EQ(run({"explain", "--arch", "sm_80", "--config", kConfig}).status, 1);
    put(fields);
  }
  const CommandResult result = run({"explain", "--arch", "sm_80", "--config", kConfig});
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr(": cached"), HasSubstr("by nvrtc 13.0"), Not(HasSubstr("not cached"))));
  const json report = parse(run({"explain", "--arch", "sm_80", "--config", kConfig, "--json"}));
  EXPECT_EQ(report["cached"], true);
  ASSERT_EQ(report["kernels"].size(), kernels.size());
  EXPECT_EQ(report["kernels"][0]["key"], kernels[0].key().hex());
  EXPECT_EQ(report["kernels"][0]["rows"].size(), 1u);
  EXPECT_TRUE(report["kernels"][0]["nearest"].is_null());
}

TEST_F(CacheCommand, ExplainNamesEachFieldThatDiffersWithBothValues) {
  const cache::KeyFields right = wanted("sm_80").front();
  const auto differences = [&](const cache::KeyFields& cached) {
    run({"clear"});
    put(cached);
    const json report = parse(run({"explain", "--arch", "sm_80", "--config", kConfig, "--json"}));
    const json& kernel = report["kernels"][0];
    EXPECT_EQ(kernel["cached"], false);
    EXPECT_EQ(kernel["nearest"]["key"], cached.key().hex());
    return kernel["differences"];
  };
  cache::KeyFields other = right;
  other.target = "sm_86";
  EXPECT_EQ(differences(other), json::parse(R"([{"field":"target","wanted":"sm_80","found":"sm_86"}])"));
  other = right;
  other.source_digest = std::string(64, '0');
  EXPECT_EQ(differences(other)[0]["field"], "source_digest");
  EXPECT_EQ(differences(other)[0]["wanted"], right.source_digest);
  EXPECT_EQ(differences(other).size(), 1u);
  other = right;
  other.options += " --use_fast_math";
  EXPECT_EQ(differences(other)[0]["found"], other.options);
  other = right;
  other.schema = 7;
  EXPECT_EQ(differences(other), json::parse(R"([{"field":"schema","wanted":1,"found":7}])"));
  other = right;
  json config = json::parse(right.config);
  config["causal"] = false;
  config.erase("warps");
  config["of_another_version"] = 3;
  other.config = config.dump();
  const json found = differences(other);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0], json::parse(R"({"field":"config.causal","wanted":true,"found":false})"));
  EXPECT_EQ(found[1]["field"], "config.warps");
  EXPECT_TRUE(found[1]["found"].is_null());
  EXPECT_EQ(found[2], json::parse(R"({"field":"config.of_another_version","wanted":null,"found":3})"));
}

TEST_F(CacheCommand, ExplainTakesTheEntryWithTheFewestDifferences) {
  cache::KeyFields far = wanted("sm_80").front();
  far.target = "sm_86";
  far.options = "-O1";
  cache::KeyFields near = wanted("sm_80").front();
  near.options = "-O1";
  put(near, 1'700'000'000);
  put(far, 1'700'000'100);  // newer, so it is listed first
  const CommandResult result = run({"explain", "--arch", "sm_80", "--config", kConfig});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.out, AllOf(HasSubstr("not cached"), HasSubstr("nearest: " + near.key().hex().substr(0, 12)),
                                HasSubstr("wanted \"-std=c++20\", found \"-O1\"")));
}

TEST_F(CacheCommand, ExplainMakesNoCacheAndNeedsAnOperator) {
  const CommandResult result = run({"explain", "--arch", "sm_80", "--config", kConfig});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.out, HasSubstr("the cache has no kernels"));
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(folder_ / "cache") / cache::Store::file_name()));
  EXPECT_EQ(run({"explain", "--arch", "sm_80"}).status, 2);
  const CommandResult no_gpu = run({"explain", "--config", kConfig});
  EXPECT_EQ(no_gpu.status, 2);
  EXPECT_THAT(no_gpu.err, HasSubstr("--arch sm_90a"));
}

}  // namespace
}  // namespace attnjit::test
