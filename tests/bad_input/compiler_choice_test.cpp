// What is used when the first choice fails: another compiler's cubin, a recompile, another target.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "jit/nvrtc.h"
#include "operators/operator_config.h"
#include "runtime/context_impl.h"
#include "tests/bad_input/machine.h"
#include "tests/bad_input/mha_varlen_operation.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class CompilerChoice : public testing::TestWithParam<Api> {
 protected:
  CompilerChoice() {
    reset_device();
    std::filesystem::remove_all(cache_);
  }

  /// A device whose kernels every supported NVRTC can build.
  static void reset_device() {
    fake_cuda::reset();
    fake_cuda::state().device_sms = {80};
  }

  /// Two kernels, so that what is learned from the first shows in the second.
  Outcome make(const std::string& nvrtc_path, CompilerPolicy compiler = CompilerPolicy::kNewest) {
    lines_.clear();
    ContextOptions options;
    options.compiler = compiler;
    options.cache_path = cache_.string();
    options.nvrtc_path = nvrtc_path;
    options.log = [this](LogLevel level, const std::string& line) {
      lines_.push_back((level == LogLevel::kWarning ? "warning: " : "") + line);
    };
    MhaVarlenOperation operation;
    operation.config.head_dim_qk = operation.config.head_dim_v = 64;
    operation.config.rope_dim = 0;
    operation.params.k_nope = operation.params.k_pe = {};
    operation.params.q = operation.params.k = operation.params.v = operation.params.out =
        Tensor::contiguous(test::address(0x40000), DType::kBFloat16, {300, 16, 64});
    return attempt(GetParam(), options, &operation);
  }
  std::vector<std::string> logged(const std::string& what) const {
    std::vector<std::string> found;
    for (const std::string& line : lines_) {
      if (line.find(what) != std::string::npos) found.push_back(line);
    }
    return found;
  }
  const std::string nvrtc_ = install_nvrtc(STAND_IN_NVRTC_13_0, "13.0");
  const std::string older_nvrtc_ = install_nvrtc(STAND_IN_NVRTC_12_8, "12.8");

  const std::filesystem::path cache_ = program_folder() / "choice";
  std::vector<std::string> lines_;
  ScopedEnvironment driver_{"ATTNJIT_LIBCUDA", FAKE_CUDA_PATH};
};

TEST_P(CompilerChoice, WhenTheDriverRefusesTheNewestTheNextRowServes) {
  ASSERT_EQ(make(nvrtc_).status, Status::kOk);
  ASSERT_EQ(make(older_nvrtc_, CompilerPolicy::kExact).status, Status::kOk);
  EXPECT_THAT(logged("compiling sm80_mha_varlen"), testing::SizeIs(2)) << "no rows of its own";

  reset_device();
  fake_cuda::state().cubins_to_refuse = 1;
  const Outcome outcome = make("/nowhere/libnvrtc.so");  // the kernel used was already there
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_THAT(logged("warning"),
              ElementsAre(AllOf(HasSubstr("the CUDA 13.0 driver"), HasSubstr("refuses the cubin of sm80_mha_varlen"),
                                HasSubstr("for sm_80 that nvrtc 13.0 made"), HasSubstr("trying another compiler's"))));
  EXPECT_EQ(fake_cuda::state().launches.size(), 1u);
}

TEST_P(CompilerChoice, WhenTheDriverRefusesTheOnlyRowARecompileServes) {
  ASSERT_EQ(make(older_nvrtc_).status, Status::kOk);
  reset_device();
  fake_cuda::state().cubins_to_refuse = 1;
  const Outcome outcome = make(nvrtc_);
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_THAT(logged("warning"), ElementsAre(HasSubstr("that nvrtc 12.8 made")));
  EXPECT_THAT(logged("compiling sm80_mha_varlen"), testing::SizeIs(1)) << "12.8's other cubin is as good as it was";
  EXPECT_EQ(fake_cuda::state().launches.size(), 1u);
}

TEST_P(CompilerChoice, ARefusalIsOfOneKernelAndEndsWithItsReplacement) {
  ASSERT_EQ(make(nvrtc_).status, Status::kOk);
  reset_device();
  fake_cuda::state().cubins_to_refuse = 1;
  EXPECT_EQ(make(nvrtc_).status, Status::kOk);
  EXPECT_THAT(logged("compiling sm80_mha_varlen"), testing::SizeIs(1))
      << "the other kernel's cubin was distrusted, too";
  const ScopedEnvironment frozen("ATTNJIT_ON_MISS", "error");
  const Outcome outcome = make(nvrtc_);
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
}

/// The row that replaces the refused one is as good as any.
TEST_P(CompilerChoice, ARefusalIsForgottenOnceTheReplacementLoads) {
  ASSERT_EQ(make(nvrtc_).status, Status::kOk);
  reset_device();
  fake_cuda::state().cubins_to_refuse = 1;
  ContextOptions options;
  options.cache_path = cache_.string();
  options.nvrtc_path = nvrtc_;
  const Context context(options);
  const MhaVarlenConfig config{.head_dim_qk = 64, .head_dim_v = 64, .rope_dim = 0};
  const MhaVarlen op(context, config);
  EXPECT_EQ(context.counters().refused_cubins, 1);
  for (const runtime::KernelPlan& plan : runtime::plans(config, runtime::context_impl(context)->features())) {
    EXPECT_TRUE(runtime::context_impl(context)->loader().is_cached(plan));
  }
}

TEST_P(CompilerChoice, AFrozenContextSaysWhatTheDriverRefused) {
  ASSERT_EQ(make(nvrtc_).status, Status::kOk);
  const ScopedEnvironment frozen("ATTNJIT_ON_MISS", "error");
  reset_device();
  fake_cuda::state().cubins_to_refuse = 1;
  const Outcome outcome = make(nvrtc_);
  EXPECT_EQ(outcome.status, Status::kCacheMiss);
  EXPECT_THAT(outcome.message,
              AllOf(HasSubstr("the CUDA 13.0 driver"), HasSubstr("refuses the cubin of sm80_mha_varlen"),
                    HasSubstr("miss policy error"), HasSubstr("not newer than the driver")));
  EXPECT_THAT(outcome.message, testing::Not(HasSubstr("precompile-cache"))) << "it would make the same cubin again";
  EXPECT_EQ(make(nvrtc_).status, Status::kOk) << "the row was dropped, and nothing put in its place";
}

TEST_P(CompilerChoice, WhenNothingCanBeCompiledTheRefusalIsNotForgotten) {
  ASSERT_EQ(make(nvrtc_).status, Status::kOk);
  reset_device();
  fake_cuda::state().cubins_to_refuse = 1;
  const Outcome outcome = make("/nowhere/libnvrtc.so");
  EXPECT_EQ(outcome.status, Status::kNoCompiler);
  EXPECT_THAT(outcome.message, AllOf(HasSubstr("the CUDA 13.0 driver"), HasSubstr("refuses the cubin"),
                                     HasSubstr("made: "), HasSubstr("no other can be made: ")));
  EXPECT_THAT(logged("warning"), ElementsAre(HasSubstr("refuses the cubin")));
}

TEST_P(CompilerChoice, AnNvrtcWithoutFamilyTargetsCompilesForTheNextTarget) {
  // 12.8 knows SM 10.0 but none of the f targets, which are the first choice for it.
  fake_cuda::state().device_sms = {100};
  const Outcome outcome = make(older_nvrtc_);
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_THAT(logged("does not know the target sm_100f"), ElementsAre(HasSubstr("; compiling for sm_100a")));
  EXPECT_THAT(logged("compiling sm80_mha_varlen"), Contains(HasSubstr("for sm_100a")));
  EXPECT_EQ(fake_cuda::state().launches.size(), 1u);

  // If the family target is known, it is used.
  std::filesystem::remove_all(cache_);
  fake_cuda::reset();
  fake_cuda::state().device_sms = {100};
  EXPECT_EQ(make(nvrtc_).status, Status::kOk);
  EXPECT_THAT(logged("compiling sm80_mha_varlen"), Contains(HasSubstr("for sm_100f")));
}

TEST_P(CompilerChoice, AnNvrtcThatLiesIsAClearError) {
  const std::pair<const char*, const char*> lies[] = {{"no_error_text", "nvrtcResult 3"},
                                                      {"huge_log", "the log has no report"},
                                                      {"huge_cubin", "the result is no cubin"},
                                                      {"no_cubin", "the result is no cubin"},
                                                      {"many_archs", "nvrtcGetNumSupportedArchs failed"}};
  for (const auto& [lie, words] : lies) {
    SCOPED_TRACE(lie);
    const ScopedEnvironment lying("STAND_IN_NVRTC_LIES", lie);
    const Outcome outcome = make(install_nvrtc(STAND_IN_NVRTC_13_0, "13.0"));
    EXPECT_NE(outcome.status, Status::kOk);
    EXPECT_THAT(outcome.message, HasSubstr(words));
  }
}

TEST(NvrtcOpening, KeepsNoThreadWaitingThatNeedsNoCompiler) {
  const ScopedEnvironment driver("ATTNJIT_LIBCUDA", FAKE_CUDA_PATH);
  const ScopedEnvironment waits("STAND_IN_NVRTC_WAITS", "900000");
  ContextOptions options = fake_device();
  options.nvrtc_path = install_nvrtc(STAND_IN_NVRTC_12_8, "12.8");
  const Context context(options);
  runtime::KernelLoader& loader = runtime::context_impl(context)->loader();
  std::atomic<bool> opened{false};
  std::thread opens([&] {
    loader.nvrtc();
    opened = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  loader.target();
  EXPECT_FALSE(opened) << "it waited until NVRTC was open";
  opens.join();
}

TEST(NvrtcOpening, ASearchInVainIsNotRepeatedByEachRequest) {
  const std::filesystem::path place = install_nvrtc(STAND_IN_NVRTC_12_8, "12.8");
  const std::filesystem::path away = program_folder() / "away.so";
  std::filesystem::rename(place, away);
  jit::NvrtcSearch search;
  search.explicit_path = place.string();
  const auto error_of = [](runtime::Compilers& compilers, jit::CompilerVersion oldest) -> std::string {
    try {
      compilers.get(oldest);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kNoCompiler);
      return error.what();
    }
  };
  const LogCallback no_log = [](LogLevel, const std::string&) {};
  runtime::Compilers patient(search, no_log, std::chrono::hours(1));
  runtime::Compilers eager(search, no_log, std::chrono::milliseconds(0));
  const std::string first = error_of(patient, jit::kOldestNvrtc);
  EXPECT_THAT(first, HasSubstr(place.string()));
  EXPECT_EQ(error_of(eager, jit::kOldestNvrtc), first);

  std::filesystem::rename(away, place);
  EXPECT_EQ(error_of(patient, jit::kOldestNvrtc), first) << "it was looked for again at once";
  EXPECT_EQ(error_of(eager, jit::kOldestNvrtc), "");
  EXPECT_THAT(error_of(eager, {12, 9}), HasSubstr("it needs NVRTC 12.9, and NVRTC 12.8"));
}

INSTANTIATE_TEST_SUITE_P(Api, CompilerChoice, testing::Values(Api::kCpp, Api::kC),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace attnjit::bad_input
