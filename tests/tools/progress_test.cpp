#include "tools/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/text.h"

namespace attnjit::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ProgressBar, FillsAndTellsTheTimeLeft) {
  EXPECT_EQ(progress_bar(1, 4, 2.0, 80), "[==========>                             ] 1/4  2.00 s, 6.00 s left");
  EXPECT_EQ(progress_bar(4, 4, 8.0, 80), "[========================================] 4/4  8.00 s");
}

TEST(ProgressBar, NeverFillsTheLastColumn) {
  for (int columns = 1; columns <= 120; ++columns) {
    for (int done = 0; done <= 7; ++done) {
      EXPECT_LT(progress_bar(done, 7, 123.4, columns).size(), static_cast<std::size_t>(columns));
    }
  }
}

TEST(ReportLine, TellsWhatAKernelTakes) {
  runtime::KernelReport report;
  report.ok = true;
  report.family = "sm80_mha_varlen";
  report.config_json = R"({"block_m":64})";
  report.target = "sm_90a";
  report.seconds = 0.42;
  report.registers = 168;
  report.smem_bytes = 2048;
  report.cubin_bytes = 3 * 1024 * 1024 / 2;
  EXPECT_EQ(report_line({.done = 3, .total = 20, .last = &report}),
            "[ 3/20] sm_90a sm80_mha_varlen: compiled in 0.42 s, 168 registers, 0 B spilled, 2.0 KiB shared, 1.5 MiB "
            "cubin {\"block_m\":64}");
  report.tier = cache::Tier::kStore;
  EXPECT_THAT(report_line({.done = 3, .total = 20, .last = &report}), HasSubstr(": in the cache, 168"));
}

TEST(ReportLine, TellsWhyAKernelFailed) {
  runtime::KernelReport report;
  report.target = "sm_75";
  report.operator_json = R"({"operator":"mla_prefill"})";
  report.error = "too old";
  EXPECT_EQ(report_line({.done = 1, .total = 1, .last = &report}),
            R"([1/1] sm_75 {"operator":"mla_prefill"}: failed: too old)");
  report.family = "sm80_mha_varlen";
  report.config_json = R"({"block_m":64})";
  EXPECT_EQ(report_line({.done = 1, .total = 1, .last = &report}),
            R"([1/1] sm_75 sm80_mha_varlen {"block_m":64}: failed: too old)");
}

TEST(Text, NumbersForPeople) {
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.0 KiB");
  EXPECT_EQ(bytes_text(5 * 1024 * 1024), "5.0 MiB");
  EXPECT_EQ(seconds_text(0.417), "0.42 s");
  EXPECT_EQ(seconds_text(75), "75 s");
  EXPECT_EQ(seconds_text(720), "12 min");
}

}  // namespace
}  // namespace attnjit::tools
