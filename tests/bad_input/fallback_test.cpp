// An NVRTC too old for an operator's fastest kernels: what is used instead, what is logged, and what forbids it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "attnjit/masked_mha.hpp"
#include "jit/nvrtc.h"
#include "operators/precompile.h"
#include "runtime/context_impl.h"
#include "tests/bad_input/machine.h"
#include "tests/bad_input/mha_varlen_operation.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// A Hopper GPU and NVRTC 12.8.
class FallbackBase : public testing::Test {
 protected:
  FallbackBase() {
    fake_cuda::reset();
    std::filesystem::remove_all(cache_);
  }

  ContextOptions options(const std::string& nvrtc_path) {
    warnings_.clear();
    ContextOptions options;
    options.cache_path = cache_.string();
    options.nvrtc_path = nvrtc_path;
    options.log = [this](LogLevel level, const std::string& line) {
      if (level == LogLevel::kWarning) warnings_.push_back(line);
    };
    return options;
  }
  static std::vector<std::string> launched() {
    std::vector<std::string> entries;
    for (const fake_cuda::Launch& launch : fake_cuda::state().launches) entries.push_back(launch.entry);
    return entries;
  }

  const std::string old_nvrtc_ = install_nvrtc(STAND_IN_NVRTC_12_8, "12.8");
  const std::string nvrtc_ = install_nvrtc(STAND_IN_NVRTC_13_0, "13.0");
  const std::filesystem::path cache_ = program_folder() / "fallback";
  MhaVarlenOperation operation_;
  std::vector<std::string> warnings_;
  ScopedEnvironment driver_{"ATTNJIT_LIBCUDA", FAKE_CUDA_PATH};
};

class Fallback : public FallbackBase, public testing::WithParamInterface<Api> {
 protected:
  Outcome make(const ContextOptions& options) const { return attempt(GetParam(), options, &operation_); }
};

TEST_P(Fallback, TheKernelForEverySmServesAndIsSaidOnce) {
  const Outcome outcome = make(options(old_nvrtc_));
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_THAT(launched(), ElementsAre("attnjit_sm80_mha_varlen"));
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("\"head_dim_qk\":192"), HasSubstr("slower kernels"),
                                           HasSubstr("needs NVRTC 12.9"), HasSubstr("NVRTC 12.8 ("),
                                           HasSubstr("ATTNJIT_FALLBACK=error"))));
}

TEST_P(Fallback, ThePolicyForbidsIt) {
  ContextOptions strict = options(old_nvrtc_);
  strict.fallback = FallbackPolicy::kError;
  const Outcome outcome = make(strict);
  EXPECT_EQ(outcome.status, Status::kNoCompiler);
  EXPECT_THAT(outcome.message, AllOf(HasSubstr("needs NVRTC 12.9"), HasSubstr("12.9 or newer")));
  EXPECT_THAT(launched(), IsEmpty());

  const ScopedEnvironment from_outside("ATTNJIT_FALLBACK", "error");
  EXPECT_EQ(make(options(old_nvrtc_)).status, Status::kNoCompiler);
  strict.fallback = FallbackPolicy::kWarn;
  EXPECT_EQ(make(strict).status, Status::kOk) << "the program's own setting wins";
}

TEST_P(Fallback, AWrongPolicyIsRefused) {
  ContextOptions wrong = options("");
  wrong.fallback = static_cast<FallbackPolicy>(7);
  const Outcome outcome = make(wrong);
  EXPECT_EQ(outcome.status, Status::kInvalidArgument);
  EXPECT_THAT(outcome.message, HasSubstr("fallback is 7; it is"));
  const ScopedEnvironment from_outside("ATTNJIT_FALLBACK", "maybe");
  EXPECT_THAT(make(options("")).message, HasSubstr("ATTNJIT_FALLBACK is \"maybe\"; it is warn or error"));
}

TEST_P(Fallback, AFrozenContextTakesWhatAnOlderCompilerLeft) {
  const ScopedEnvironment frozen("ATTNJIT_ON_MISS", "error");
  EXPECT_EQ(make(options(old_nvrtc_)).status, Status::kCacheMiss) << "there is nothing yet";
  {
    const ScopedEnvironment thawed("ATTNJIT_ON_MISS", "allow");
    ASSERT_EQ(make(options(old_nvrtc_)).status, Status::kOk);
  }
  fake_cuda::reset();
  const Outcome outcome = make(options(old_nvrtc_));
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_THAT(launched(), ElementsAre("attnjit_sm80_mha_varlen"));
  EXPECT_THAT(warnings_, SizeIs(1));
  ContextOptions strict = options(old_nvrtc_);
  strict.fallback = FallbackPolicy::kError;
  EXPECT_EQ(make(strict).status, Status::kCacheMiss);
}

TEST_P(Fallback, AProcessWithoutNvrtcTakesItToo) {
  EXPECT_EQ(make(options("/nowhere/libnvrtc.so")).status, Status::kNoCompiler);
  ASSERT_EQ(make(options(old_nvrtc_)).status, Status::kOk);
  const Outcome outcome = make(options("/nowhere/libnvrtc.so"));
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_THAT(warnings_, SizeIs(1));
}

TEST_P(Fallback, TheFastestKernelsAreTakenWhereverTheyCanBeHad) {
  ASSERT_EQ(make(options(nvrtc_)).status, Status::kOk);
  EXPECT_THAT(warnings_, IsEmpty());
  fake_cuda::reset();
  EXPECT_EQ(make(options(old_nvrtc_)).status, Status::kOk) << "from the cache";
  EXPECT_THAT(launched(), ElementsAre("attnjit_sm90_mha_varlen"));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(FallbackBase, PrecompilingMakesWhatWillServe) {
  runtime::PrecompileOptions wanted;
  wanted.operators = {operation_.config, MaskedMhaConfig{operation_.config}};
  wanted.archs = {"sm_90a"};
  wanted.context = options(old_nvrtc_);
  CacheCounters counters;
  const std::vector<runtime::KernelReport> reports = runtime::precompile(wanted, {}, &counters);
  for (const runtime::KernelReport& report : reports) {
    EXPECT_TRUE(report.ok) << report.error;
    EXPECT_NE(report.family, "sm90_mha_varlen");
  }
  EXPECT_EQ(counters.fallbacks, 2);
  EXPECT_THAT(warnings_, SizeIs(1));

  wanted.context.fallback = FallbackPolicy::kError;
  for (const runtime::KernelReport& report : runtime::precompile(wanted)) {
    EXPECT_THAT(report.error, HasSubstr("needs NVRTC 12.9"));
  }
}

INSTANTIATE_TEST_SUITE_P(Api, Fallback, testing::Values(Api::kCpp, Api::kC),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace attnjit::bad_input
