// What a host's callbacks may do: throw, use the library, hold their own locks. Each body runs in a child, so that a
// callback that hangs or ends the process cannot take this program down.
#include "runtime/host_callbacks.h"

#include <gmock/gmock.h>

#include <fstream>
#include <mutex>
#include <thread>

#include "cache/store.h"
#include "tests/process/support.h"

namespace attnjit::process {
namespace {

/// Damages the store in `directory`, so that it has to be repaired.
void put_garbage_into(const std::filesystem::path& directory) {
  std::ofstream(directory / cache::Store::file_name()) << std::string(9000, '?');
}

TEST(LogCallback, ThatThrowsCostsNoRequest) {
  TemporaryDirectory directory;
  put_garbage_into(directory.path());  // a warning, from a destructor
  EXPECT_EQ(0, run_child([&] {
              ContextOptions options = compile_only(directory.path());
              int lines = 0;
              options.log = [&](LogLevel, const std::string&) {
                ++lines;
                if (lines % 2 == 0) throw std::runtime_error("a log that is full");
                throw 7;
              };
              const Context context(options);
              const MhaVarlen op(context, small_config());
              return lines >= 3 && context.counters().compiles >= 1 ? 0 : 1;
            }));
}

TEST(LogCallback, ThatThrowsIsSaidOnceAndWarningsGoToStderr) {
  const LogCallback log =
      runtime::guard_log([](LogLevel, const std::string&) { throw std::runtime_error("disk full"); });
  testing::internal::CaptureStderr();
  log(LogLevel::kWarning, "first");
  log(LogLevel::kInfo, "second");
  log(LogLevel::kWarning, "third");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::HasSubstr("the log callback threw (disk full)"));
  EXPECT_EQ(text.find("callback threw"), text.rfind("callback threw"));
  EXPECT_THAT(text, testing::AllOf(testing::HasSubstr("warning: first\n"), testing::HasSubstr("warning: third\n"),
                                   testing::Not(testing::HasSubstr("second"))));
}

TEST(LogCallback, IsToldUtf8ThatCommandsNoTerminal) {
  std::vector<std::string> lines;
  runtime::guard_log([&](LogLevel, const std::string& line) { lines.push_back(line); })(LogLevel::kInfo,
                                                                                        "a log\n\xff\x1b[2J");
  EXPECT_THAT(lines, testing::ElementsAre("a log\n\\xff\\u001b[2J"));
}

TEST(LogCallback, IsNotToldOfWhatItGivesRiseTo) {
  int told = 0;
  LogCallback log;
  log = runtime::guard_log([&](LogLevel, const std::string&) {
    if (++told < 9) log(LogLevel::kInfo, "another line");
  });
  log(LogLevel::kInfo, "a line");
  EXPECT_EQ(told, 1);
}

TEST(LogCallback, MayMakeTheOperatorThatItIsToldOf) {
  EXPECT_EQ(0, run_child([] {
              ContextOptions options = compile_only();
              std::optional<Context> context;
              int made = 0;
              options.log = [&](LogLevel, const std::string&) {
                if (!context) return;
                const MhaVarlen op(*context, small_config());
                ++made;
              };
              context.emplace(options);
              const MhaVarlen op(*context, small_config());
              return made >= 1 ? 0 : 1;
            }));
}

/// Another thread holds that lock and waits for the operator.
TEST(LogCallback, MayTakeALockThatAnotherThreadHoldsWhileItMakesTheOperator) {
  EXPECT_EQ(0, run_child([] {
              ContextOptions options = compile_only();
              std::mutex of_host;
              Signal leads;
              options.miss_callback = [&](const Miss&) { leads.give(); };
              options.log = [&](LogLevel, const std::string&) { const std::lock_guard lock(of_host); };
              const Context context(options);
              std::unique_lock held(of_host);
              std::thread other([&] { const MhaVarlen op(context, small_config()); });
              leads.take();
              { const MhaVarlen op(context, small_config()); }
              held.unlock();
              other.join();
              return 0;
            }));
}

TEST(LogCallback, IsToldInOrderOnceNobodyWaits) {
  std::vector<std::string> lines;
  const LogCallback log = runtime::guard_log([&](LogLevel, const std::string& line) { lines.push_back(line); });
  {
    const runtime::HeldLogLines outer;
    log(LogLevel::kInfo, "1");
    {
      const runtime::HeldLogLines inner;
      log(LogLevel::kInfo, "2");
    }
    EXPECT_TRUE(lines.empty());
  }
  log(LogLevel::kInfo, "3");
  EXPECT_THAT(lines, testing::ElementsAre("1", "2", "3"));
}

TEST(MissCallback, MayMakeTheOperatorThatItIsToldOf) {
  EXPECT_EQ(0, run_child([] {
              ContextOptions options = compile_only();
              std::optional<Context> context;
              int told = 0;
              options.miss_callback = [&](const Miss&) {
                ++told;
                const MhaVarlen op(*context, small_config());
              };
              context.emplace(options);
              const MhaVarlen op(*context, small_config());
              // The callback got the outer operator's misses, whose kernels its own nested calls compiled.
              return told >= 1 && context->counters().compiles == context->counters().misses - told ? 0 : 1;
            }));
}

/// Each callback creates the operator that the other thread has begun.
TEST(MissCallback, OfTwoThreadsMayMakeEachOthersOperators) {
  EXPECT_EQ(0, run_child([] {
              ContextOptions options = compile_only();
              std::optional<Context> context;
              Signal inside[2];
              options.miss_callback = [&](const Miss& miss) {
                const bool causal = miss.operator_config.find("\"causal\":true") != std::string::npos;
                inside[causal].give(2);
                inside[!causal].take();
                const MhaVarlen op(*context, small_config(!causal));
              };
              context.emplace(options);
              std::thread other([&] { const MhaVarlen op(*context, small_config(true)); });
              { const MhaVarlen op(*context, small_config(false)); }
              other.join();
              return 0;
            }));
}

TEST(MissCallback, ThatThrowsRefusesOneRequest) {
  ContextOptions options = compile_only();
  bool refuse = true;
  options.miss_callback = [&](const Miss&) {
    if (refuse) throw std::domain_error("not now");
  };
  const Context context(options);
  EXPECT_THROW(MhaVarlen(context, small_config()), std::domain_error);
  EXPECT_EQ(context.counters().compiles, 0);
  refuse = false;
  EXPECT_NO_THROW(MhaVarlen(context, small_config()));
}

}  // namespace
}  // namespace attnjit::process
