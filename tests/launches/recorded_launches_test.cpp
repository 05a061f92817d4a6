// Compares the committed GPU report with what the current host code launches, and checks that a recording sees what it
// should.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/gpu/report_check.h"
#include "tests/launches/recorded_calls.h"

namespace attnjit::launches {
namespace {

const Recorder& recorded() {
  static const Recorder recorder = [] {
    use_stand_ins(FAKE_CUDA_PATH, STAND_IN_NVRTC_PATH);
    return record_all_calls();
  }();
  return recorder;
}

TEST(RecordedLaunches, AreThoseThatRanOnAGpu) {
  const auto faults = check_launches(gpu_tests::read_report(ATTNJIT_GPU_REPORT), recorded().recording());
  EXPECT_EQ(fmt::format("{}", fmt::join(faults, "\n")), "");

  // The recording includes streams and reserved memory: six streams for two operators that share a module, then a
  // capture.
  EXPECT_EQ(std::ranges::count(recorded().texts().at("streams/mha_varlen"), '\n'), 13);
  const std::string& decode = recorded().texts().at("streams/mla_decode");
  EXPECT_EQ(std::ranges::count(decode, '\n'), 2 * 6) << "a main and a combine kernel for each call";
  EXPECT_THAT(decode, testing::HasSubstr("overlaps"));
}

/// Another process, with other addresses and other garbage in its padding, records the same.
TEST(RecordedLaunches, AreTheSameInEveryProcess) {
  const std::string path = testing::TempDir() + "attnjit_recorded_launches_test.json";
  ASSERT_EQ(std::system(
                fmt::format("LONGER_ENVIRONMENT={} {} {}", std::string(4000, 'x'), RECORD_LAUNCHES_PATH, path).c_str()),
            0);
  const auto faults = check_launches(gpu_tests::read_report(ATTNJIT_GPU_REPORT), gpu_tests::read_recording(path));
  EXPECT_EQ(fmt::format("{}", fmt::join(faults, "\n")), "");
  std::remove(path.c_str());
}

}  // namespace
}  // namespace attnjit::launches
