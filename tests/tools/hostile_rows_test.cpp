// attnjit cache on rows, files and paths with names chosen by others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cache/shown_text.h"
#include "cache/store.h"
#include "tests/tools/command_line.h"
#include "tests/tools/temporary_folder.h"

namespace attnjit::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class HostileRow : public ::testing::Test {
 protected:
  HostileRow() {
    std::filesystem::create_directory(folder_ / "cache");
    cache::Entry entry;
    entry.fields = {.family = "../escaped/\x1b]0;title\x07",
                    .config = "{\"a\":\"\xff\xfe\x1b[2J\"}",
                    .target = "sm_80\nsm_90a",
                    .options = "-std=c++20",
                    .source_digest = std::string(64, 'd'),
                    .schema = 1};
    entry.compiler = {"nvrtc", 13, 0};
    entry.entry_point = "attnjit_kernel";
    entry.image.assign(2000, 'x');
    entry.created_unix = std::numeric_limits<std::int64_t>::max();
    cache::Store(folder_ / "cache").put(entry);
  }
  CommandResult run(std::vector<std::string> words) const {
    words.insert(words.begin(), {ATTNJIT_COMMAND, "cache"});
    return run_program(words, {{"ATTNJIT_CACHE", folder_ / "cache"}, {"ATTNJIT_LIBCUDA", "/nonexistent/libcuda.so.1"}});
  }
  static json parse(const CommandResult& result) {
    json parsed = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(parsed.is_object()) << "stdout: " << result.out << "\nstderr: " << result.err;
    return parsed;
  }
  static bool is_safe(const std::string& text) {
    return std::ranges::none_of(text, [](unsigned char letter) { return letter < ' ' && letter != '\n'; }) &&
           shown_lines(text) == text;
  }

  TemporaryFolder folder_;
};

TEST_F(HostileRow, IsListedWithoutCommandingTheTerminal) {
  const CommandResult text = run({"ls"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(is_safe(text.out)) << text.out;
  EXPECT_EQ(std::ranges::count(text.out, '\n'), 2) << text.out;
  EXPECT_THAT(text.out, AllOf(HasSubstr("\\u001b"), HasSubstr("second 9223372036854775807"), HasSubstr("\\xff")));
  const json listed = parse(run({"ls", "--json"}));
  EXPECT_EQ(listed["entries"].at(0)["created"], "second 9223372036854775807");
  for (const char* const action : {"stat", "verify"}) {
    for (const char* const form : {"--json", "--cache"}) {
      std::vector<std::string> words{action, form};
      if (words.back() == "--cache") words.push_back(folder_ / "cache");
      const CommandResult result = run(words);
      EXPECT_EQ(result.status, 0) << result.err;
      EXPECT_TRUE(is_safe(result.out)) << result.out;
    }
  }
}

TEST_F(HostileRow, IsExportedIntoTheFolderThatWasNamed) {
  const std::filesystem::path out = folder_ / "out";
  const CommandResult result = run({"export", out, "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  const std::string cubin = parse(result)["kernels"].at(0)["cubin"];
  EXPECT_TRUE(std::filesystem::exists(out / cubin));
  EXPECT_EQ(std::filesystem::path(cubin).filename(), cubin);
  int files = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(std::string(folder_ / "."))) {
    files += file.path().extension() == ".cubin";
  }
  EXPECT_EQ(files, 1);

  // A link in place of a file is replaced, and its target is left alone.
  const std::filesystem::path precious = folder_ / "precious";
  std::ofstream(precious) << "precious";
  std::filesystem::remove(out / cubin);
  std::filesystem::create_symlink(precious, out / cubin);
  ASSERT_EQ(run({"export", out}).status, 0);
  EXPECT_FALSE(std::filesystem::is_symlink(out / cubin));
  EXPECT_EQ(std::filesystem::file_size(out / cubin), 2000u);
  EXPECT_EQ(std::filesystem::file_size(precious), 8u);
}

TEST_F(HostileRow, APathThatIsNotUtf8BreaksNoJson) {
  const std::filesystem::path odd = std::string(folder_ / "cache-\xff\x1b");
  std::filesystem::rename(std::string(folder_ / "cache"), odd);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"ls"},
           {"stat"},
           {"verify"},
           {"gc"},
           {"explain", "--arch", "sm_90a", "--config", "operator=mla_prefill", "head_dim_qk=16", "head_dim_v=16"}}) {
    std::vector<std::string> all = words;
    all.insert(all.begin() + 1, {"--cache", odd, "--json"});
    const CommandResult result = run(all);
    EXPECT_TRUE(result.status == 0 || words.front() == "explain") << words.front() << result.err;
    EXPECT_THAT(json::parse(result.out, nullptr, false).value("path", ""), HasSubstr("cache-\xef\xbf\xbd"))
        << result.out;
    EXPECT_TRUE(is_safe(result.out)) << result.out;
  }
  EXPECT_TRUE(is_safe(run({"stat", "--cache", odd}).out));
}

TEST_F(HostileRow, VerifyTellsWhatIsNotTheLibrarysAndIsNoFault) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ / "cache/kernels-v1.sqlite").c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "CREATE TRIGGER t AFTER INSERT ON kernels BEGIN DELETE FROM kernels; END; ANALYZE",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(database);
  const CommandResult result = run({"verify"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("never run: trigger t\n"), HasSubstr("table sqlite_stat1"), HasSubstr(" 0 faults")));
  EXPECT_EQ(parse(run({"verify", "--json"}))["foreign"].size(), 2u);
}

TEST_F(HostileRow, DoctorNamesAFolderAboveThatOthersMayWrite) {
  const auto doctor = [&] {
    return run_program({ATTNJIT_COMMAND, "doctor"},
                       {{"ATTNJIT_CACHE", folder_ / "cache"}, {"ATTNJIT_LIBCUDA", "/nonexistent/libcuda.so.1"}})
        .out;
  };
  const std::string note = "note: " + std::filesystem::canonical(folder_.path()).string() + " (mode ";
  EXPECT_THAT(doctor(), ::testing::Not(HasSubstr(note)));
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  EXPECT_THAT(doctor(), HasSubstr(note + "0777"));
}

}  // namespace
}  // namespace attnjit::test
