// What tools/EmbedGpuReport.cmake keeps of the GPU suite's report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/tools/command_line.h"
#include "tests/tools/temporary_folder.h"

namespace attnjit::test {
namespace {

CommandResult embed(const std::string& report, const std::string& output) {
  return run_program({ATTNJIT_CMAKE, "-DREPORT=" + report, "-DOUTPUT=" + output, "-P", ATTNJIT_EMBED_SCRIPT}, {});
}

/// The JSON between the delimiters of the generated raw string.
nlohmann::json embedded(const std::string& file) {
  std::ifstream stream(file);
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  const std::string opening = "R\"attnjit(";
  const std::size_t begin = text.find(opening) + opening.size();
  return nlohmann::json::parse(text.substr(begin, text.rfind(")attnjit\"") - begin));
}

TEST(GpuReport, KeepsWhatDoctorShows) {
  const TemporaryFolder folder;
  const std::string report = folder.write("report.json", R"({
    "device": "NVIDIA H200; \"SXM\" [141 GB]", "driver": "CUDA 13.0, driver 580.1", "nvrtc": "13.0",
    "cases": [{"name": "a;b"}, {}],
    "families": {
      "sm80_mha_varlen": {"status": "run", "tests": 300, "failures": 2, "source_digest": "00"},
      "sm90_mha_varlen": {"status": "pending", "reason": "no GPU; soon", "tests": 0}
    }})");
  const CommandResult result = embed(report, folder / "report.cpp");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(embedded(folder / "report.cpp"), nlohmann::json::parse(R"({
    "device": "NVIDIA H200; \"SXM\" [141 GB]", "driver": "CUDA 13.0, driver 580.1", "nvrtc": "13.0",
    "families": {
      "sm80_mha_varlen": {"status": "run", "tests": 300, "failures": 2},
      "sm90_mha_varlen": {"status": "pending", "reason": "no GPU; soon", "tests": 0}
    }})"));
}

TEST(GpuReport, WithoutAReportThereIsNothing) {
  const TemporaryFolder folder;
  ASSERT_EQ(embed("", folder / "report.cpp").status, 0);
  EXPECT_EQ(embedded(folder / "report.cpp"), nlohmann::json::object());
}

TEST(GpuReport, AReportWithoutFamiliesStopsTheBuild) {
  const TemporaryFolder folder;
  const CommandResult result = embed(folder.write("report.json", R"({"device": "x"})"), folder / "report.cpp");
  EXPECT_NE(result.status, 0);
  EXPECT_THAT(result.err, ::testing::HasSubstr("families"));
}

}  // namespace
}  // namespace attnjit::test
