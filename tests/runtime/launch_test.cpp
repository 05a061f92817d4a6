// From the public API to the driver's door, with a fake driver behind it: which context, which grid, which parameter, and
// what happens when the driver refuses.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "attnjit/attnjit.hpp"
#include "templates/shared/mha_varlen_params.h"
#include "tests/fake_driver/fake_cuda.h"
#include "tests/runtime/mha_varlen_case.h"

namespace {

using attnjit::test::deepseek_params;

// Small dims: what is tested here is not the kernel.
attnjit::MhaVarlenConfig small_config() {
  return {.head_dim_qk = 192, .head_dim_v = 128, .rope_dim = 64, .dtype = attnjit::DType::kBFloat16, .causal = true,
          .out_dtype = {}};
}

class LaunchTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    setenv("ATTNJIT_LIBCUDA", FAKE_CUDA_PATH, 1);
    // One cache for all tests of this program: they compile once.
    directory_ = std::filesystem::temp_directory_path() / ("attnjit-launch-test-" + std::to_string(getpid()));
    std::filesystem::create_directory(directory_);
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(directory_); }
  void SetUp() override {
    fake_cuda::reset();
    fake_cuda::state().parameter_bytes = sizeof(attnjit::kernel::MhaVarlenParams);
  }

  attnjit::ContextOptions options(int device = 0) {
    attnjit::ContextOptions result;
    result.device = device;
    result.cache_path = directory_.string();
    result.log = [this](attnjit::LogLevel level, const std::string& message) {
      if (level == attnjit::LogLevel::kWarning) warnings_.push_back(message);
    };
    return result;
  }

  static inline std::filesystem::path directory_;
  std::vector<std::string> warnings_;
};

TEST_F(LaunchTest, OneCallIsOneLaunchInTheHostsContextAndStream) {
  const attnjit::Context context(options());
  EXPECT_EQ(context.arch(), "sm_90a");
  const attnjit::MhaVarlen op(context, small_config());
  fake_cuda::set_current(fake_cuda::context_of(0));
  const auto stream = reinterpret_cast<attnjit::Stream>(0x5000);
  op.run(deepseek_params(), stream);

  ASSERT_EQ(fake_cuda::state().launches.size(), 1u);
  const auto& launch = fake_cuda::state().launches[0];
  EXPECT_EQ(launch.grid_x, 2u * 16 * 4);
  EXPECT_EQ(launch.threads, 128u);
  EXPECT_GT(launch.smem_bytes, 48u * 1024);
  EXPECT_EQ(launch.stream, reinterpret_cast<CUstream>(stream));
  EXPECT_EQ(launch.context, fake_cuda::context_of(0));
  EXPECT_EQ(fake_cuda::state().primary_contexts_retained, 0);
  attnjit::kernel::MhaVarlenParams sent;
  std::memcpy(&sent, launch.parameter.data(), sizeof sent);
  EXPECT_EQ(sent.v.data, attnjit::test::address(0x40000));
  EXPECT_EQ(sent.num_heads, 16);
  EXPECT_EQ(sent.m_blocks, 4);
}

TEST_F(LaunchTest, WithoutACurrentContextThePrimaryOneServesAndIsTakenAwayAgain) {
  const attnjit::Context context(options());
  const attnjit::MhaVarlen op(context, small_config());
  op.run(deepseek_params());
  op.run(deepseek_params());
  ASSERT_EQ(fake_cuda::state().launches.size(), 2u);
  EXPECT_EQ(fake_cuda::state().launches[0].context, fake_cuda::context_of(0));
  EXPECT_EQ(fake_cuda::state().primary_contexts_retained, 1);
  fake_cuda::set_current(nullptr);
}

TEST_F(LaunchTest, AContextOfAnotherDeviceIsAnError) {
  fake_cuda::state().device_sms = {90, 90};
  const attnjit::Context context(options(1));
  const attnjit::MhaVarlen op(context, small_config());
  fake_cuda::set_current(fake_cuda::context_of(0));
  try {
    op.run(deepseek_params());
    FAIL() << "launched on the wrong device";
  } catch (const attnjit::Error& error) {
    EXPECT_EQ(error.status(), attnjit::Status::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("wrong device"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(fake_cuda::state().launches.empty());
  fake_cuda::set_current(fake_cuda::context_of(1));
  op.run(deepseek_params());
  EXPECT_EQ(fake_cuda::state().launches.size(), 1u);
}

TEST_F(LaunchTest, BadArgumentsLaunchNothing) {
  const attnjit::Context context(options());
  const attnjit::MhaVarlen op(context, small_config());
  auto params = deepseek_params();
  params.v.strides[1] = -1;
  EXPECT_THROW(op.run(params), attnjit::Error);
  EXPECT_TRUE(fake_cuda::state().launches.empty());
}

TEST_F(LaunchTest, DevicesThatDoNotExistOrAreTooOldAreErrors) {
  try {
    attnjit::Context context(options(3));
    FAIL();
  } catch (const attnjit::Error& error) {
    EXPECT_NE(std::string(error.what()).find("device 3 does not exist"), std::string::npos) << error.what();
  }
  fake_cuda::state().device_sms = {75};
  try {
    attnjit::Context context(options());
    FAIL();
  } catch (const attnjit::Error& error) {
    EXPECT_EQ(error.status(), attnjit::Status::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("7.5"), std::string::npos) << error.what();
  }
}

TEST_F(LaunchTest, AnOperatorWithoutADeviceCannotRun) {
  auto no_device = options(attnjit::ContextOptions::kNoDevice);
  no_device.arch = "sm_90a";
  const attnjit::Context context(no_device);
  const attnjit::MhaVarlen op(context, small_config());
  try {
    op.run(deepseek_params());
    FAIL();
  } catch (const attnjit::Error& error) {
    EXPECT_NE(std::string(error.what()).find("without a device"), std::string::npos) << error.what();
  }
}

TEST_F(LaunchTest, ARefusedCubinIsRecompiledOnceThenAnErrorThatNamesBothVersions) {
  {
    const attnjit::Context warm(options());
    const attnjit::MhaVarlen op(warm, small_config());
  }
  fake_cuda::state().cubins_to_refuse = 1000;
  const attnjit::Context context(options());
  try {
    const attnjit::MhaVarlen op(context, small_config());
    FAIL() << "a cubin that the driver refuses was taken";
  } catch (const attnjit::Error& error) {
    EXPECT_EQ(error.status(), attnjit::Status::kDriverError);
    EXPECT_NE(std::string(error.what()).find("CUDA 13.0 driver"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("nvrtc "), std::string::npos) << error.what();
  }
  EXPECT_EQ(warnings_.size(), 1u);
}

TEST_F(LaunchTest, OperatorsAreMadeRunAndDestroyedOnManyThreads) {
  const attnjit::Context context(options());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      fake_cuda::set_current(fake_cuda::context_of(0));
      for (int round = 0; round < 20; ++round) {
        const attnjit::MhaVarlen op(context, small_config());
        op.run(deepseek_params());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(fake_cuda::state().launches.size(), 80u);
  EXPECT_LE(fake_cuda::state().libraries_loaded - fake_cuda::state().libraries_unloaded, 2);
}

}  // namespace
