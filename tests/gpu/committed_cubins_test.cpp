// Compares the kernels that ran on a GPU with what the current sources compile to.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "attnjit/context.hpp"
#include "runtime/context_impl.h"
#include "tests/gpu/report_check.h"
#include "tests/support/kept_kernels.h"
#include "verify/tested_operators.h"

namespace attnjit::gpu_tests {
namespace {

constexpr const char* kTarget = "sm_90a";  // an H200's
constexpr std::size_t kShares = 12;

class CommittedCubins : public testing::TestWithParam<std::size_t> {};

TEST_P(CommittedCubins, AreThoseOfTheSourcesAtHand) {
  const Json report = read_report(ATTNJIT_GPU_REPORT);
  ContextOptions options;
  options.device = ContextOptions::kNoDevice;
  options.arch = kTarget;
  options.cache_path = test::kept_kernels();
  options.compiler = CompilerPolicy::kExact;
  const Context context(options);
  runtime::KernelLoader& loader = runtime::context_impl(context)->loader();
  const std::string here = loader.nvrtc().version().name();
  if (here != report["nvrtc"]) {
    GTEST_SKIP() << "compiled with NVRTC " << report["nvrtc"] << ", here is " << here
                 << ": the digests of the sources are compared instead";
  }
  const auto kernels = suite_kernels(runtime::sm_features(jit::Target::parse(kTarget)));
  const std::vector<std::string> faults = check_cubins(report, kernels, loader, {.first = GetParam(), .of = kShares});
  EXPECT_EQ(fmt::format("{}", fmt::join(faults, "\n")), "");
}

INSTANTIATE_TEST_SUITE_P(Shares, CommittedCubins, testing::Range(std::size_t{0}, kShares));

}  // namespace
}  // namespace attnjit::gpu_tests
