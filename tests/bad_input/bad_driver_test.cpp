// Machines without a usable driver, through both APIs. A separate program: once a driver has been opened it stays open,
// so none of these rows may find a good one.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/bad_input/api.h"
#include "tests/bad_input/machine.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {
namespace {

struct BadDriver {
  const char* name;
  const char* libcuda;
  void (*spoil)(fake_cuda::State&);
  std::vector<std::string> words;
};
void PrintTo(const BadDriver& bad, std::ostream* stream) { *stream << bad.name; }

void nothing(fake_cuda::State&) {}

const BadDriver kBadDrivers[] = {
    {"missing",
     "/nowhere/libcuda.so.1",
     nothing,
     {"no CUDA driver", "/nowhere/libcuda.so.1", "Install the NVIDIA driver", "ATTNJIT_LIBCUDA", "kNoDevice"}},
    {"another_library", FAKE_NVRTC_12_9, nothing, {"no working cuDriverGetVersion", "not a CUDA driver"}},
    {"too_old",
     FAKE_CUDA_PATH,
     [](auto& state) { state.driver_version = 11080; },
     {FAKE_CUDA_PATH, "is of CUDA 11.8", "CUDA 12.0 or newer is needed", "update the driver"}},
    {"function_missing",
     FAKE_CUDA_PATH,
     [](auto& state) { state.missing_function = "cuLibraryLoadData"; },
     {FAKE_CUDA_PATH, "(CUDA 13.0) has no cuLibraryLoadData", "update the driver"}},
    {"init_fails",
     FAKE_CUDA_PATH,
     [](auto& state) { state.init_result = CUDA_ERROR_NO_DEVICE; },
     {"cuInit of", "failed", "CUDA_ERROR_OF_FAKE", "nvidia-smi"}},
};

class BadDriverTest : public testing::TestWithParam<std::tuple<BadDriver, Api>> {};

TEST_P(BadDriverTest, IsToldInWordsThatHelp) {
  const auto& [bad, api] = GetParam();
  const ScopedEnvironment libcuda("ATTNJIT_LIBCUDA", bad.libcuda);
  fake_cuda::reset();
  bad.spoil(fake_cuda::state());
  const Outcome outcome = attempt(api, fake_device(), nullptr);
  EXPECT_EQ(outcome.status, Status::kNoDriver) << outcome.message;
  for (const std::string& word : bad.words) {
    EXPECT_NE(outcome.message.find(word), std::string::npos) << "'" << word << "' is missing in: " << outcome.message;
  }
}

INSTANTIATE_TEST_SUITE_P(Drivers, BadDriverTest,
                         testing::Combine(testing::ValuesIn(kBadDrivers), testing::Values(Api::kCpp, Api::kC)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) + "_" + to_string(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace attnjit::bad_input
