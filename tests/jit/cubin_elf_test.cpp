#include "jit/cubin_elf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

#include "fixtures.h"

namespace attnjit::jit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<unsigned char> tiny_cubin(const std::string& target) {
  const Templates templates = test::templates_of(test::tiny_files());
  return compile(test::nvrtc(), templates, test::tiny_request(target)).image;
}

TEST(CubinElf, FindsTheEntry) {
  for (const char* const target : {"sm_80", "sm_90a", "sm_100"}) {
    const CubinEntries entries = read_cubin_entries(tiny_cubin(target));
    EXPECT_EQ(entries.problem, "");
    EXPECT_THAT(entries.names, ElementsAre("attnjit_tiny"));
  }
}

TEST(CubinElf, FindsKernelsButNoDeviceFunctions) {
  const Templates templates = test::templates_of(test::tiny_files(
      "value += called(value);",
      "__device__ __noinline__ float called(float x) { return x * x; } extern \"C\" __global__ void second() {}"));
  const CubinEntries entries = read_cubin_entries(compile(test::nvrtc(), templates, test::tiny_request("sm_80")).image);
  EXPECT_THAT(entries.names, UnorderedElementsAre("attnjit_tiny", "second"));
}

TEST(CubinElf, AGlobalFunctionWithoutTheEntryBitIsNoKernel) {
  std::vector<unsigned char> image = tiny_cubin("sm_80");
  // st_info and st_other, which are adjacent: a global function, a kernel.
  const unsigned char kernel[] = {0x12, 0x10};
  const auto found = std::ranges::search(image, kernel);
  ASSERT_FALSE(found.empty());
  found.begin()[1] = 0;
  const CubinEntries entries = read_cubin_entries(image);
  EXPECT_EQ(entries.problem, "");
  EXPECT_THAT(entries.names, IsEmpty());
}

/// Detected from its header, whichever ABI version this machine's NVRTC writes.
TEST(CubinElf, SaysWhyACubinIsNotTheKernelThatIsWanted) {
  for (const char* const name : {"sm_80", "sm_90a", "sm_100"}) {
    const Target target = Target::parse(name);
    const std::vector<unsigned char> image = tiny_cubin(name);
    EXPECT_EQ(read_cubin_entries(image).sm, target.number());
    EXPECT_EQ(why_not_kernel(image, "attnjit_tiny", target), "");
    EXPECT_THAT(why_not_kernel(image, "attnjit_other", target), HasSubstr("no kernel attnjit_other"));
    EXPECT_THAT(why_not_kernel(image, "attnjit_tiny", Target::parse("sm_86")), HasSubstr(", not for sm_86"));
  }
  std::vector<unsigned char> image = tiny_cubin("sm_80");
  image[8] = 99;  // an unknown ABI version: its SM cannot be determined
  EXPECT_EQ(why_not_kernel(image, "attnjit_tiny", Target::parse("sm_90a")), "");
  EXPECT_THAT(why_not_kernel({}, "attnjit_tiny", Target::parse("sm_90a")), HasSubstr("no cubin"));
}

TEST(CubinElf, SaysWhyBytesAreNoCubin) {
  EXPECT_THAT(read_cubin_entries({}).problem, HasSubstr("no ELF header"));
  const std::vector<unsigned char> garbage(4096, 0xa5);
  EXPECT_THAT(read_cubin_entries(garbage).problem, HasSubstr("no ELF header"));

  std::vector<unsigned char> image = tiny_cubin("sm_80");
  image[18] = 62;  // e_machine: x86-64
  EXPECT_THAT(read_cubin_entries(image).problem, HasSubstr("no ELF header"));
}

TEST(CubinElf, EveryTruncationIsToldOrHarmless) {
  const std::vector<unsigned char> image = tiny_cubin("sm_80");
  for (std::size_t size = 0; size < image.size(); ++size) {
    // A copy of exactly this size, so that a sanitizer sees a read past its end.
    const std::vector<unsigned char> part(image.begin(), image.begin() + static_cast<std::ptrdiff_t>(size));
    const CubinEntries entries = read_cubin_entries(part);
    if (entries.problem.empty()) {
      EXPECT_THAT(entries.names, ElementsAre("attnjit_tiny"));
    }
  }
  EXPECT_NE(read_cubin_entries(std::span(image).first(image.size() / 2)).problem, "");
}

TEST(CubinElf, FlippedBytesAreNeverReadBeyondTheEnd) {
  const std::vector<unsigned char> image = tiny_cubin("sm_90a");
  std::mt19937 random(20);
  std::uniform_int_distribution<std::size_t> position(0, image.size() - 1);
  std::uniform_int_distribution<std::size_t> header_position(0, 63);
  int problems = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<unsigned char> damaged = image;
    damaged[header_position(random)] = static_cast<unsigned char>(random());
    for (int flips = 0; flips < 8; ++flips) damaged[position(random)] = static_cast<unsigned char>(random());
    problems += read_cubin_entries(damaged).problem.empty() ? 0 : 1;
  }
  EXPECT_GT(problems, 1000);
}

}  // namespace
}  // namespace attnjit::jit
