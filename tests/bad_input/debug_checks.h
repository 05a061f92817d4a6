// Shared by the tests of debug mode: a fake device on which the check kernel is a loop over the index tensors, which
// are in host memory. The kernel itself runs in tests/emulator and tests/gpu.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "attnjit/tensor.hpp"
#include "tests/bad_input/api.h"
#include "tests/bad_input/machine.h"
#include "tests/fake_driver/fake_cuda.h"
#include "tests/runtime/check_indices_loop.h"

namespace attnjit::bad_input {

inline constexpr const char* kCheck = "attnjit_check_indices";

inline Tensor index_vector(std::vector<int>& entries) {
  return Tensor::contiguous(entries.data(), DType::kInt32, {static_cast<std::int64_t>(entries.size())});
}

inline std::vector<std::string> launched() {
  std::vector<std::string> entries;
  for (const fake_cuda::Launch& launch : fake_cuda::state().launches) entries.push_back(launch.entry);
  return entries;
}

class CheckedOnFakeDevice : public testing::Test {
 protected:
  CheckedOnFakeDevice() {
    fake_cuda::reset();
    fake_cuda::state().on_launch = [](const fake_cuda::Launch& launch, void* params) {
      if (launch.entry != kCheck) return;
      auto& told = *static_cast<kernel::CheckIndicesParams*>(params);
      *told.report = test::first_fault_by_loops(told);
    };
  }
  ~CheckedOnFakeDevice() override {
    EXPECT_EQ(fake_cuda::state().host_allocations, 0) << "memory of a report was not given back";
    fake_cuda::reset();
  }
  static void expect_check_refused(const Outcome& outcome, const std::vector<std::string>& words) {
    EXPECT_EQ(outcome.status, Status::kInvalidArgument);
    for (const std::string& word : words) EXPECT_THAT(outcome.message, testing::HasSubstr(word));
    EXPECT_THAT(outcome.message, testing::HasSubstr("debug_checks; nothing was launched"));
    EXPECT_THAT(launched(), testing::ElementsAre(kCheck));
  }

 private:
  ScopedEnvironment driver_{"ATTNJIT_LIBCUDA", FAKE_CUDA_PATH};
  ScopedEnvironment switch_{"ATTNJIT_DEBUG_CHECKS", nullptr};
};

}  // namespace attnjit::bad_input
