#include "tests/gpu/report_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace attnjit::gpu_tests {
namespace {

const Json& example() {
  static const Json report{
      {"device", "NVIDIA H200"},
      {"date", nullptr},
      {"families", {{"sm80_mha_varlen", {{"status", "run"}, {"tests", 3}}}}},
      {"kernels", Json::array({{{"family", "sm80_mha_varlen"}, {"config", {{"block_m", 128}}}}, {{"family", "b"}}})},
      {"tests", Json::array()}};
  return report;
}

TEST(ReportFile, ListsAreWrittenOneEntryALine) {
  EXPECT_EQ(format_report(example()),
            "{\n"
            "  \"device\": \"NVIDIA H200\",\n"
            "  \"date\": null,\n"
            "  \"families\": {\n"
            "    \"sm80_mha_varlen\": {\n"
            "      \"status\": \"run\",\n"
            "      \"tests\": 3\n"
            "    }\n"
            "  },\n"
            "  \"kernels\": [\n"
            "    {\"family\":\"sm80_mha_varlen\",\"config\":{\"block_m\":128}},\n"
            "    {\"family\":\"b\"}\n"
            "  ],\n"
            "  \"tests\": []\n"
            "}\n");
}

TEST(ReportFile, IsReadAsItWasWritten) {
  const std::string path = testing::TempDir() + "attnjit_report_file_test.json";
  write_report(path, example());
  EXPECT_EQ(read_report(path), example());
  std::remove(path.c_str());
}

TEST(ReportFile, FaultsNameThePath) {
  EXPECT_THAT([] { read_report("/nowhere/report.json"); },
              testing::ThrowsMessage<std::runtime_error>(testing::HasSubstr("/nowhere/report.json")));
  const std::string path = testing::TempDir() + "attnjit_report_file_test_broken.json";
  std::ofstream(path) << "{\"device\": ";
  EXPECT_THAT([&] { read_report(path); }, testing::ThrowsMessage<std::runtime_error>(testing::HasSubstr(path)));
  std::remove(path.c_str());
}

}  // namespace
}  // namespace attnjit::gpu_tests
