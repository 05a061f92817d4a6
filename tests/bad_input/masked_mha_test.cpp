// Valid calls of masked_mha and mask_from_topk through both APIs: what their rows break is launched beforehand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "templates/shared/mha_varlen_params.h"
#include "tests/bad_input/machine.h"
#include "tests/bad_input/masked_mha_operation.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {
namespace {

class MaskedCalls : public testing::TestWithParam<Api> {
 protected:
  MaskedCalls() {
    fake_cuda::reset();
    fake_cuda::state().parameter_bytes["attnjit_mask_from_topk"] = sizeof(kernel::MaskFromTopkParams);
  }
  ~MaskedCalls() override { fake_cuda::reset(); }

  void attempt_good(const Operation& operation) {
    const Outcome outcome = attempt(GetParam(), fake_device(), &operation);
    ASSERT_EQ(outcome.status, Status::kOk) << outcome.message;
  }

 private:
  ScopedEnvironment driver_{"ATTNJIT_LIBCUDA", FAKE_CUDA_PATH};
  ScopedEnvironment templates_{"ATTNJIT_TEMPLATE_DIR", nullptr};
};

TEST_P(MaskedCalls, AGivenMaskIsOneLaunch) {
  attempt_good(MaskedMhaOperation());
  ASSERT_EQ(fake_cuda::state().launches.size(), 1u);
  EXPECT_EQ(fake_cuda::state().launches[0].grid_x, 2u * 16 * 4);
}

TEST_P(MaskedCalls, IndicesAreTwoLaunchesOverOneWorkspace) {
  MaskedMhaOperation operation;
  operation.params = test::topk_params();
  attempt_good(operation);
  ASSERT_EQ(fake_cuda::state().launches.size(), 2u);
  const auto& build = fake_cuda::state().launches[0];
  EXPECT_EQ(build.grid_x, 2u * (300 / 64 + 2));
  EXPECT_EQ(build.threads, 1024u);
  kernel::MaskFromTopkParams sent;
  std::memcpy(&sent, build.parameter.data(), sizeof sent);
  EXPECT_EQ(sent.mask.bits, test::address(0x100000));
  EXPECT_EQ(sent.topk, 33);
  EXPECT_EQ(fake_cuda::state().launches[1].grid_x, 2u * 16 * 4);
}

TEST_P(MaskedCalls, ReservedWorkspaceServesACallThatGivesNone) {
  MaskedMhaOperation operation;
  operation.params = test::topk_params();
  operation.params.workspace = {};
  operation.reserve = {.tokens_q = 400, .batch = 2, .max_positions = 200};
  attempt_good(operation);
  EXPECT_EQ(fake_cuda::state().launches.size(), 2u);
}

TEST_P(MaskedCalls, MaskFromTopkIsOneLaunch) {
  attempt_good(MaskFromTopkOperation());
  ASSERT_EQ(fake_cuda::state().launches.size(), 1u);
  EXPECT_EQ(fake_cuda::state().launches[0].grid_x, 2u * (300 / 64 + 2));
}

TEST_P(MaskedCalls, NothingToDoIsNoLaunch) {
  MaskedMhaOperation operation;
  operation.params = test::topk_params();
  operation.params.attention.max_seqlen_q = 0;
  attempt_good(operation);
  MaskFromTopkOperation build;
  build.params.mask.shape[1] = build.params.mask_tiles.shape[1] = 0;
  attempt_good(build);
  EXPECT_TRUE(fake_cuda::state().launches.empty());
}

/// A fault that only C can make.
TEST(MaskedStructs, SayTheirSize) {
  attnjit_masked_mha_bounds bounds = ATTNJIT_MASKED_MHA_BOUNDS_INIT;
  std::size_t bytes = 1;
  EXPECT_EQ(attnjit_masked_mha_workspace_bytes(&bounds, &bytes), ATTNJIT_OK);
  EXPECT_EQ(bytes, 0u);
  bounds.struct_size = 0;
  EXPECT_EQ(attnjit_masked_mha_workspace_bytes(&bounds, &bytes), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), testing::HasSubstr("ATTNJIT_MASKED_MHA_BOUNDS_INIT"));
  EXPECT_EQ(attnjit_masked_mha_workspace_bytes(nullptr, &bytes), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_EQ(attnjit_masked_mha_run(nullptr, nullptr, nullptr), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_EQ(attnjit_mask_from_topk_run(nullptr, nullptr, nullptr), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_EQ(attnjit_mask_from_topk_create(nullptr, nullptr), ATTNJIT_INVALID_ARGUMENT);

  attnjit_context_options options = ATTNJIT_CONTEXT_OPTIONS_INIT;
  options.device = -1;
  options.arch = "sm_90a";
  options.cache_path = ":memory:";
  attnjit_context* context = nullptr;
  ASSERT_EQ(attnjit_context_create(&options, &context), ATTNJIT_OK);
  attnjit_mha_varlen_config config = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
  config.head_dim_qk = config.head_dim_v = 16;
  attnjit_masked_mha* op = nullptr;
  ASSERT_EQ(attnjit_masked_mha_create(context, &config, &op), ATTNJIT_OK) << attnjit_last_error();
  attnjit_masked_mha_params params = ATTNJIT_MASKED_MHA_PARAMS_INIT;
  EXPECT_EQ(attnjit_masked_mha_run(op, &params, nullptr), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_STREQ(attnjit_last_error(), "attnjit_mha_varlen_params is NULL");
  attnjit_mha_varlen_params attention = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
  attention.struct_size = 7;
  params.attention = &attention;
  EXPECT_EQ(attnjit_masked_mha_run(op, &params, nullptr), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), testing::HasSubstr("attnjit_mha_varlen_params.struct_size is 7"));
  attnjit_masked_mha_destroy(op);
  attnjit_masked_mha_destroy(nullptr);
  attnjit_mask_from_topk_destroy(nullptr);
  attnjit_context_destroy(context);
}

INSTANTIATE_TEST_SUITE_P(Good, MaskedCalls, testing::Values(Api::kCpp, Api::kC),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace attnjit::bad_input
