#include "jit/ptxas_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attnjit::jit {
namespace {

using ::testing::HasSubstr;

// Two entries and a function that was not inlined, as NVRTC 13.0 reports them.
constexpr const char* kLog = R"(kernels/a.cuh(3): warning #177-D: variable "x" was declared but never referenced
  // Used 99 registers, used 9 barriers
                ^

ptxas info    : 12 bytes gmem, 8 bytes cmem[4]
ptxas info    : Compiling entry function 'other' for 'sm_80'
ptxas info    : Function properties for other
ptxas         .     64 bytes stack frame, 7 bytes spill stores, 7 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers, 360 bytes cmem[0]
ptxas info    : Compile time = 1.301 ms
ptxas info    : Compiling entry function 'ent' for 'sm_80'
ptxas info    : Function properties for ent
ptxas         .     128 bytes stack frame, 16 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 40 registers, used 4 barriers, 128 bytes cumulative stack size, 1024 bytes smem, 368 bytes cmem[0], 8 bytes cmem[2]
ptxas info    : Compile time = 6.000 ms
ptxas info    : Function properties for _ZN7attnjit6kernel3fooEf
ptxas         .     0 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
)";

TEST(ReadResources, TakesTheReportOfTheEntry) {
  const auto resources = read_resources(kLog, "ent");
  ASSERT_TRUE(resources);
  EXPECT_EQ(resources->registers, 40);
  EXPECT_EQ(resources->stack_bytes, 128);
  EXPECT_EQ(resources->static_shared_bytes, 1024);
  EXPECT_EQ(resources->constant_bytes, 376);
  EXPECT_EQ(resources->barriers, 4);
}

TEST(ReadResources, CountsSpillsOfCalledFunctions) {
  const auto resources = read_resources(kLog, "ent");
  ASSERT_TRUE(resources);
  EXPECT_EQ(resources->spill_store_bytes, 16 + 4);
  EXPECT_EQ(resources->spill_load_bytes, 20 + 8);
}

TEST(ReadResources, ReadsAReportOfHopper) {
  const auto resources = read_resources(
      "ptxas info    : Compiling entry function 'k' for 'sm_90a'\n"
      "ptxas info    : Function properties for k\n"
      "ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 168 registers, used 1 barriers",
      "k");
  ASSERT_TRUE(resources);
  EXPECT_EQ(*resources, (Resources{.registers = 168, .barriers = 1}));
}

TEST(ReadResources, NothingWithoutAReport) {
  EXPECT_FALSE(read_resources("", "ent"));
  EXPECT_FALSE(read_resources(kLog, "en"));
  EXPECT_FALSE(read_resources(kLog, "_ZN7attnjit6kernel3fooEf"));
  std::string no_usage = kLog;
  no_usage.replace(no_usage.find("Used 40"), 7, "Took 40");
  EXPECT_FALSE(read_resources(no_usage, "ent"));
  std::string no_frame = kLog;
  no_frame.replace(no_frame.find("128 bytes stack frame"), 21, "some frame");
  EXPECT_FALSE(read_resources(no_frame, "ent"));
}

TEST(FindBrokenPromise, FindsSerializedWgmma) {
  for (const char* const code : {"C7509", "C7510", "C7514"}) {
    const std::string line = std::string("ptxas info    : (") + code +
                             ") Potential Performance Loss: wgmma.mma_async instructions are serialized due to "
                             "insufficient register resources for the wgmma pipeline in the function 'ent'";
    const auto found = find_broken_promise(kLog + line + "\nptxas info    : more\n");
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, line);
  }
}

TEST(FindBrokenPromise, FindsIgnoredSetmaxnreg) {
  const auto found = find_broken_promise(
      "ptxas info    : (C7508) Potential Performance Loss: 'setmaxnreg' ignored; unable to determine register count "
      "at entry.");
  ASSERT_TRUE(found);
  EXPECT_THAT(*found, HasSubstr("C7508"));
}

TEST(FindBrokenPromise, IgnoresQuotedSourceAndOtherNotes) {
  EXPECT_FALSE(find_broken_promise(kLog));
  EXPECT_FALSE(find_broken_promise("  // else wgmma is serialized and setmaxnreg ignored\n"));
  EXPECT_FALSE(find_broken_promise("ptxas info    : Function properties for wgmma_loop_setmaxnreg\n"));
}

}  // namespace
}  // namespace attnjit::jit
