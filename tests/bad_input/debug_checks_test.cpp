// Debug mode through both APIs, for mha_varlen: lengths that only the device can see are checked before the launch that
// trusts them, and the first fault is named. For the other operators see debug_checks_operators_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/bad_input/debug_checks.h"
#include "tests/bad_input/mha_varlen_operation.h"

namespace attnjit::bad_input {
namespace {

using testing::HasSubstr;

constexpr const char* kKernel = "attnjit_sm90_mha_varlen";

/// A call with 300 tokens of q and of k, at most 200 per sequence, with cu_seqlens in host memory.
struct Call {
  std::vector<int> cu_seqlens_q{0, 100, 300};
  std::vector<int> cu_seqlens_k{0, 200, 300};
  int max_seqlen_q = 200;
  ContextOptions options = fake_device();

  Call() { options.debug_checks = true; }
  Outcome attempt_by(Api api) {
    MhaVarlenOperation operation;
    const auto view = [](std::vector<int>& entries) {
      return Tensor::contiguous(entries.data(), DType::kInt32, {static_cast<std::int64_t>(entries.size())});
    };
    operation.params.cu_seqlens_q = view(cu_seqlens_q);
    operation.params.cu_seqlens_k = view(cu_seqlens_k);
    operation.params.max_seqlen_q = max_seqlen_q;
    return attempt(api, options, &operation);
  }
};

class DebugChecks : public CheckedOnFakeDevice, public testing::WithParamInterface<Api> {
 protected:
  static void expect_refused(Call call, const std::vector<std::string>& words) {
    expect_check_refused(call.attempt_by(GetParam()), words);
  }
};

TEST_P(DebugChecks, AGoodCallIsCheckedThenLaunched) {
  const Outcome outcome = Call().attempt_by(GetParam());
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_THAT(launched(), testing::ElementsAre(kCheck, kKernel));
  EXPECT_EQ(fake_cuda::state().launches[0].grid_x, 1u);
  EXPECT_EQ(fake_cuda::state().stream_waits, 1);
}

TEST_P(DebugChecks, WithoutThemNothingIsCheckedAndNothingWaits) {
  Call call;
  call.options.debug_checks = false;
  call.cu_seqlens_q = {0, 301, 300};
  EXPECT_EQ(call.attempt_by(GetParam()).status, Status::kOk);
  EXPECT_THAT(launched(), testing::ElementsAre(kKernel));
  EXPECT_EQ(fake_cuda::state().stream_waits, 0);
}

TEST_P(DebugChecks, DecreasingEntriesAreNamed) {
  Call call;
  call.cu_seqlens_k = {0, 100, 60};
  expect_refused(call,
                 {"mha_varlen: sequence 1: ", "cu_seqlens_k[1] is 100 and cu_seqlens_k[2] is 60", "must not decrease"});
}

TEST_P(DebugChecks, EntriesBeyondTheTensorAreNamed) {
  Call call;
  call.cu_seqlens_q = {0, 120, 301};
  expect_refused(call, {"sequence 1: ", "cu_seqlens_q[2] is 301", "at most 300, the number of tokens of q"});
}

TEST_P(DebugChecks, NegativeEntriesAreNamed) {
  Call call;
  call.cu_seqlens_q = {-4, 120, 300};
  expect_refused(call, {"sequence 0: ", "cu_seqlens_q[0] is -4", "0 or more"});
}

TEST_P(DebugChecks, LengthsBeyondTheMaximumAreNamed) {
  Call call;
  call.cu_seqlens_k = {0, 201, 300};
  expect_refused(call, {"sequence 0: ", "cu_seqlens_k[0] is 0 and cu_seqlens_k[1] is 201", "which are 201 tokens",
                        "at most max_seqlen_k = 200"});
}

TEST_P(DebugChecks, AMaximumOfNothingIsCheckedAlthoughNothingWouldBeLaunched) {
  Call call;
  call.max_seqlen_q = 0;
  expect_refused(call, {"sequence 0: ", "which are 100 tokens", "at most max_seqlen_q = 0"});
}

TEST_P(DebugChecks, TheFirstFaultIsTold) {
  Call call;
  call.cu_seqlens_q = {0, 10, 300};  // 290 tokens
  call.cu_seqlens_k = {0, -1, 300};
  expect_refused(call, {"sequence 1: ", "cu_seqlens_q[2] is 300"});
}

TEST_P(DebugChecks, ACallOfNoSequenceIsNotChecked) {
  Call call;
  call.cu_seqlens_q = call.cu_seqlens_k = {0};
  EXPECT_EQ(call.attempt_by(GetParam()).status, Status::kOk);
  EXPECT_TRUE(launched().empty());
}

TEST_P(DebugChecks, ACapturedStreamIsRefusedAndLeftAlone) {
  const auto expect_capture_refused = [] {
    const Outcome outcome = Call().attempt_by(GetParam());
    EXPECT_EQ(outcome.status, Status::kInvalidArgument);
    for (const char* word : {"is being captured", "outside of the capture", "ATTNJIT_DEBUG_CHECKS"}) {
      EXPECT_THAT(outcome.message, HasSubstr(word));
    }
    EXPECT_TRUE(launched().empty());
    EXPECT_EQ(fake_cuda::state().stream_waits, 0);
  };
  fake_cuda::state().capture = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  expect_capture_refused();
  fake_cuda::state().capture = CU_STREAM_CAPTURE_STATUS_NONE;
  fake_cuda::state().capture_result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  expect_capture_refused();
}

TEST_P(DebugChecks, TheEnvironmentSwitchesThemOn) {
  Call call;
  call.options.debug_checks = false;
  {
    const ScopedEnvironment on("ATTNJIT_DEBUG_CHECKS", "1");
    EXPECT_EQ(call.attempt_by(GetParam()).status, Status::kOk);
    EXPECT_THAT(launched(), testing::ElementsAre(kCheck, kKernel));
  }
  {
    const ScopedEnvironment off("ATTNJIT_DEBUG_CHECKS", "0");
    fake_cuda::state().launches.clear();
    EXPECT_EQ(call.attempt_by(GetParam()).status, Status::kOk);
    EXPECT_THAT(launched(), testing::ElementsAre(kKernel));
  }
  const ScopedEnvironment wrong("ATTNJIT_DEBUG_CHECKS", "yes");
  const Outcome outcome = call.attempt_by(GetParam());
  EXPECT_EQ(outcome.status, Status::kInvalidArgument);
  EXPECT_THAT(outcome.message, HasSubstr("ATTNJIT_DEBUG_CHECKS is \"yes\"; it is 0 or 1"));
}

TEST_P(DebugChecks, AReportThatMakesNoSenseIsAFaultOfTheLibrary) {
  fake_cuda::state().on_launch = [](const fake_cuda::Launch& launch, void* params) {
    if (launch.entry == kCheck) static_cast<kernel::CheckIndicesParams*>(params)->report->fault = 77;
  };
  const Outcome outcome = Call().attempt_by(GetParam());
  EXPECT_EQ(outcome.status, Status::kInternal);
  EXPECT_THAT(outcome.message, HasSubstr("77"));
}

INSTANTIATE_TEST_SUITE_P(Api, DebugChecks, testing::Values(Api::kCpp, Api::kC),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace attnjit::bad_input
