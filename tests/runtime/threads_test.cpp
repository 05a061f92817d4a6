// Threads that make, run and destroy contexts and operators at the same time, with the fake driver. What they race for
// is told by the tsan preset; without it these tests see lost launches, kernels loaded twice, and crashes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "attnjit/attnjit.hpp"
#include "tests/fake_driver/fake_cuda.h"
#include "tests/runtime/mha_varlen_case.h"

namespace {

constexpr int kThreads = 8;
constexpr int kRounds = 12;

std::vector<attnjit::MhaVarlenConfig> configs() {
  std::vector<attnjit::MhaVarlenConfig> result(3, attnjit::test::deepseek_config());
  result[1].causal = false;
  result[2].out_dtype = attnjit::DType::kFloat8E4M3;
  return result;
}

attnjit::MhaVarlenParams params_of(const attnjit::MhaVarlenConfig& config) {
  attnjit::MhaVarlenParams params = attnjit::test::deepseek_params();
  if (config.out_dtype == attnjit::DType::kFloat8E4M3) {
    params.out =
        attnjit::Tensor::contiguous(attnjit::test::address(0x50000), attnjit::DType::kFloat8E4M3, {300, 16, 128});
    params.out_scale = attnjit::Tensor::contiguous(attnjit::test::address(0x80000), attnjit::DType::kFloat32, {1});
  }
  return params;
}

class Threads : public testing::Test {
 protected:
  Threads() {
    setenv("ATTNJIT_LIBCUDA", FAKE_CUDA_PATH, 1);
    directory_ = std::filesystem::temp_directory_path() / ("attnjit-threads-test-" + std::to_string(getpid()));
    std::filesystem::create_directory(directory_);
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
    fake_cuda::reset();
    fake_cuda::state().device_sms = {90, 90};
  }
  ~Threads() override { std::filesystem::remove_all(directory_); }

  attnjit::ContextOptions options(int device) {
    attnjit::ContextOptions result;
    result.device = device;
    result.cache_path = directory_.string();
    result.log = [this](attnjit::LogLevel level, const std::string& message) {
      const std::lock_guard guard(mutex_);
      if (level == attnjit::LogLevel::kWarning) warnings_.push_back(message);
    };
    return result;
  }

  /// On all threads at once; what one throws is a failure.
  template <class Body>
  void on_threads(const Body& body) {
    std::vector<std::thread> threads;
    for (int index = 0; index < kThreads; ++index) {
      threads.emplace_back([this, &body, index] {
        try {
          body(index);
        } catch (const std::exception& error) {
          const std::lock_guard guard(mutex_);
          ADD_FAILURE() << "thread " << index << ": " << error.what();
        }
        fake_cuda::set_current(nullptr);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(warnings_, std::vector<std::string>());
  }

  std::filesystem::path directory_;
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

/// Cold: the first rounds compile, each kernel once for all threads.
TEST_F(Threads, MakeRunAndDestroyOperatorsOfOneContext) {
  const std::vector<attnjit::MhaVarlenConfig> all = configs();
  {
    const attnjit::Context context(options(0));
    on_threads([&](int index) {
      // Half of them bring a context of their own, the others use the device's primary one.
      if (index % 2 == 0) fake_cuda::set_current(fake_cuda::context_of(0));
      for (int round = 0; round < kRounds; ++round) {
        const auto& config = all[static_cast<std::size_t>(index + round) % all.size()];
        const attnjit::MhaVarlen op(context, config);
        op.run(params_of(config));
      }
    });
  }
  EXPECT_EQ(fake_cuda::state().launches.size(), std::size_t{kThreads} * kRounds);
  EXPECT_EQ(fake_cuda::state().primary_contexts_retained, 1);
  EXPECT_EQ(fake_cuda::state().libraries_loaded, fake_cuda::state().libraries_unloaded) << "cubins were not unloaded";
}

TEST_F(Threads, ShareOneOperator) {
  const attnjit::Context context(options(0));
  const attnjit::MhaVarlenConfig config = configs()[0];
  const attnjit::MhaVarlen op(context, config);
  on_threads([&](int) {
    for (int round = 0; round < 10 * kRounds; ++round) op.run(params_of(config));
  });
  EXPECT_EQ(fake_cuda::state().launches.size(), std::size_t{kThreads} * 10 * kRounds);
}

TEST_F(Threads, MakeAndDestroyContextsOfTwoDevices) {
  const std::vector<attnjit::MhaVarlenConfig> all = configs();
  on_threads([&](int index) {
    const int device = index % 2;
    fake_cuda::set_current(fake_cuda::context_of(device));
    for (int round = 0; round < kRounds; ++round) {
      const auto& config = all[static_cast<std::size_t>(index / 2 + round) % all.size()];
      std::optional<attnjit::Context> context(options(device));
      const attnjit::MhaVarlen op(*context, config);
      context.reset();  // the operator outlives it
      op.run(params_of(config));
    }
  });
  const auto& launches = fake_cuda::state().launches;
  EXPECT_EQ(launches.size(), std::size_t{kThreads} * kRounds);
  EXPECT_EQ(std::count_if(launches.begin(), launches.end(),
                          [](const auto& launch) { return launch.context == fake_cuda::context_of(1); }),
            kThreads / 2 * kRounds);
  EXPECT_EQ(fake_cuda::state().libraries_loaded, fake_cuda::state().libraries_unloaded);
}

}  // namespace
