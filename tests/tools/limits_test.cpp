// precompile-cache under process limits: it ends with its summary and says which limit prevented what.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/tools/command_line.h"
#include "tests/tools/temporary_folder.h"

namespace attnjit::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CommandLimits : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer needs more than these limits leave";
#endif
  }
  /// `limits` are shell commands, or a program with arguments that runs the command after it.
  CommandResult precompile(const std::string& limits, const std::string& cache, int jobs = 2) const {
    const std::vector<std::string> words = {"sh",
                                            "-c",
                                            limits + " \"$@\"",
                                            "sh",
                                            ATTNJIT_COMMAND,
                                            "precompile-cache",
                                            "--arch",
                                            "sm_80,sm_86",
                                            "--config",
                                            "operator=mla_prefill",
                                            "head_dim_qk=16",
                                            "head_dim_v=16",
                                            "--cache",
                                            folder_ / cache,
                                            "--jobs",
                                            std::to_string(jobs)};
    return run_program(words, {{"ATTNJIT_CACHE", std::nullopt}, {"LC_ALL", "C"}});
  }
  /// Whatever happened to the kernels.
  static void expect_summary(const CommandResult& result, const std::string& limit) {
    EXPECT_THAT(result.status, AnyOf(0, 1)) << result.err;
    EXPECT_THAT(result.out, HasSubstr("kernels for sm_80, sm_86: 0 in the cache, ")) << result.err;
    if (result.status != 0) {
      EXPECT_THAT(result.err, HasSubstr(limit));
    }
    const auto first = result.err.find("memory only");
    if (first != std::string::npos) {
      EXPECT_EQ(result.err.find("memory only", first + 1), std::string::npos) << result.err;
    }
  }
  TemporaryFolder folder_;
};

TEST_F(CommandLimits, OfAddressSpace) {
  int refused = 0;
  for (const int mib : {25, 60, 100, 120, 137, 150, 166, 195, 215, 240, 300, 350, 450, 600, 2000}) {
    SCOPED_TRACE(mib);
    const CommandResult result = precompile("ulimit -v " + std::to_string(mib * 1024) + "; exec", std::to_string(mib));
    expect_summary(result, "ulimit -v");
    refused += result.status;
    if (mib >= 600) {
      EXPECT_EQ(result.status, 0) << result.err;
    }
  }
  EXPECT_GT(refused, 3);
}

TEST_F(CommandLimits, OfDescriptors) {
  int refused = 0;
  for (int descriptors = 5; descriptors < 13; ++descriptors) {
    SCOPED_TRACE(descriptors);
    const std::string number = std::to_string(descriptors);
    const CommandResult result = precompile("ulimit -n " + number + "; exec", number);
    expect_summary(result, "Too many open files");
    EXPECT_THAT(result.err, Not(HasSubstr("the given cache path")));
    refused += result.status;
  }
  EXPECT_GT(refused, 0);
}

TEST_F(CommandLimits, OfProcessesCostsThreads) {
  if (::geteuid() != 0) GTEST_SKIP() << "the limit counts all processes of a user, so another user is needed";
  const std::string as_other = "setpriv --reuid=65497 --regid=65497 --clear-groups ";
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0711));
  if (run_program({"sh", "-c", as_other + ATTNJIT_COMMAND + std::string(" --version")}, {}).status != 0) {
    GTEST_SKIP() << "another user cannot run the command";
  }
  for (const int processes : {1, 2, 3}) {
    SCOPED_TRACE(processes);
    const std::string number = std::to_string(processes);
    std::filesystem::create_directory(folder_ / number);
    ASSERT_EQ(::chown((folder_ / number).c_str(), 65497, 65497), 0);
    const CommandResult result = precompile("exec " + as_other + "prlimit --nproc=" + number, number);
    EXPECT_EQ(result.status, 0) << result.err;
    expect_summary(result, "ulimit -u");
    EXPECT_EQ(result.err.find("ulimit -u") != std::string::npos, processes == 1) << result.err;
  }
}

}  // namespace
}  // namespace attnjit::test
