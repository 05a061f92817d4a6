// Compiles that succeed.
#include "jit/compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include "attnjit/error.hpp"
#include "fixtures.h"

namespace attnjit::jit {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CompileFor : public ::testing::TestWithParam<const char*> {};

TEST_P(CompileFor, GivesACubinWithItsResources) {
  const Templates templates = test::templates_of(test::tiny_files());
  const CompileRequest request = test::tiny_request(GetParam());
  if (!test::nvrtc().supports(request.target)) {
    // Only family targets may be missing, and only from an NVRTC that is older than they are.
    ASSERT_EQ(request.target.suffix, 'f');
    ASSERT_LT(test::nvrtc().version(), (CompilerVersion{12, 9}));
    EXPECT_THROW(compile(test::nvrtc(), templates, request), Error);
    return;
  }
  const Cubin cubin = compile(test::nvrtc(), templates, request);
  EXPECT_GT(cubin.image.size(), 1000u);
  EXPECT_GT(cubin.resources.registers, 4);
  EXPECT_LE(cubin.resources.registers, 64);
  EXPECT_EQ(cubin.resources.static_shared_bytes, 64 * 4);
  EXPECT_EQ(cubin.resources.barriers, 1);
  EXPECT_EQ(cubin.resources.stack_bytes, 0);
  EXPECT_EQ(cubin.resources.spill_store_bytes, 0);
  EXPECT_EQ(cubin.resources.spill_load_bytes, 0);
  if (request.target.major < 9) {
    EXPECT_GT(cubin.resources.constant_bytes, 0);
  }
  EXPECT_EQ(cubin.compiler, test::nvrtc().version());
  EXPECT_THAT(cubin.log, HasSubstr("attnjit_tiny"));
  EXPECT_THAT(cubin.options, Contains("-arch=" + request.target.name()));
  EXPECT_GT(cubin.seconds, 0);
}

INSTANTIATE_TEST_SUITE_P(Targets, CompileFor,
                         ::testing::Values("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100f", "sm_120f"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Compile, TheSameSeedGivesTheSameBytes) {
  // Names with internal linkage are made up by the compiler, which is what the seed is for.
  const Templates templates = test::templates_of(test::tiny_files(
      "value += called(table[threadIdx.x % 3]);",
      "namespace { __device__ float table[3]; __device__ __noinline__ float called(float x) { return x * x; } }"));
  const CompileRequest request = test::tiny_request("sm_90a");
  const Cubin first = compile(test::nvrtc(), templates, request);
  EXPECT_EQ(compile(test::nvrtc(), templates, request).image, first.image);
  EXPECT_EQ(compile(test::nvrtc(), templates, request).options, first.options);
}

TEST(Compile, TheConfigReachesTheKernel) {
  const Templates templates = test::templates_of(test::tiny_files());
  const auto shared_bytes = [&](int width) {
    const CompileRequest request = test::tiny_request("sm_80", {.width = width});
    return compile(test::nvrtc(), templates, request).resources.static_shared_bytes;
  };
  EXPECT_EQ(shared_bytes(32), 128);
  EXPECT_EQ(shared_bytes(512), 2048);
}

TEST(Compile, FourThreadsGetWhatOneGets) {
  const Templates templates = test::templates_of(test::tiny_files());
  const auto cubin_of = [&](int thread) {
    return compile(test::nvrtc(), templates, test::tiny_request("sm_90a", {.width = 32 * (thread + 1)})).image;
  };
  std::vector<std::vector<unsigned char>> images(4);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&, i] { images[static_cast<std::size_t>(i)] = cubin_of(i); });
  }
  for (int i = 0; i < 4; ++i) EXPECT_EQ(images[static_cast<std::size_t>(i)], cubin_of(i)) << "thread " << i;
}

TEST(Compile, LeavesTheStackLimitAlone) {
  // NVRTC would raise the limit while it compiles and restore it at the end, so watch it all the time.
  const auto stack_limit = [] {
    rlimit limit{};
    getrlimit(RLIMIT_STACK, &limit);
    return limit.rlim_cur;
  };
  const rlim_t before = stack_limit();
  std::atomic<bool> done = false;
  std::atomic<bool> changed = false;
  std::jthread watcher([&] {
    while (!done) {
      if (stack_limit() != before) changed = true;
    }
  });
  const Templates templates = test::templates_of(test::tiny_files());
  compile(test::nvrtc(), templates, test::tiny_request("sm_80"));
  done = true;
  watcher.join();
  EXPECT_FALSE(changed);
  EXPECT_EQ(stack_limit(), before);
}

TEST(Compile, TakesOnlyOptionsThatThisNvrtcHas) {
  const Templates templates = test::templates_of(test::tiny_files());
  const Cubin cubin = compile(test::nvrtc(), templates, test::tiny_request("sm_80"));
  const bool has_cache = test::nvrtc().version() >= CompilerVersion{12, 9};
  EXPECT_EQ(std::ranges::count(cubin.options, "--no-cache"), has_cache ? 1 : 0);
  EXPECT_EQ(std::ranges::count(cubin.options, "--frandom-seed=tiny"), has_cache ? 1 : 0);
  EXPECT_THAT(cubin.options, Contains("--modify-stack-limit=false"));
}

TEST(Compile, CodeOptionsAreAmongTheOptions) {
  const Templates templates = test::templates_of(test::tiny_files());
  const Cubin cubin = compile(test::nvrtc(), templates, test::tiny_request("sm_80"));
  EXPECT_EQ(code_options(), "-std=c++20");
  EXPECT_THAT(cubin.options, Contains(code_options()));
}

TEST(CompileToPtx, GivesPtxOfTheTarget) {
  const Templates templates = test::templates_of(test::tiny_files());
  const std::string ptx = compile_to_ptx(test::nvrtc(), templates, test::tiny_request("sm_90a"));
  EXPECT_THAT(ptx, HasSubstr(".target sm_90a"));
  EXPECT_THAT(ptx, HasSubstr(".entry attnjit_tiny"));
  EXPECT_EQ(ptx.find('\0'), std::string::npos);
}

}  // namespace
}  // namespace attnjit::jit
