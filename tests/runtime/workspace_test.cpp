// Workspace of a call: provided by the caller, or reserved ahead of time for a stream; a call never allocates.
#include "runtime/workspace.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "attnjit/error.hpp"
#include "tests/fake_driver/fake_cuda.h"

namespace {

using attnjit::Workspace;
using attnjit::runtime::ArgumentCheck;
using attnjit::runtime::ReservedWorkspaces;
using attnjit::runtime::workspace_for_call;

constexpr ArgumentCheck kCheck("some_operator");
const auto kStream = reinterpret_cast<CUstream>(0x5000);
const auto kOtherStream = reinterpret_cast<CUstream>(0x6000);

std::string error_of(const std::function<void()>& call) {
  try {
    call();
    return "";
  } catch (const attnjit::Error& error) {
    return error.what();
  }
}

class WorkspaceTest : public testing::Test {
 protected:
  void SetUp() override {
    setenv("ATTNJIT_LIBCUDA", FAKE_CUDA_PATH, 1);
    fake_cuda::reset();
    fake_cuda::set_current(fake_cuda::context_of(0));
  }
  void TearDown() override { fake_cuda::set_current(nullptr); }
  static const std::vector<fake_cuda::Allocation>& allocations() { return fake_cuda::state().allocations; }
};

TEST_F(WorkspaceTest, TheCallersMemoryIsTaken) {
  const ReservedWorkspaces none(kCheck);
  void* const data = reinterpret_cast<void*>(0x10000);
  EXPECT_EQ(workspace_for_call(kCheck, {data, 4096}, none, kStream, 4096).data, data);
  EXPECT_EQ(workspace_for_call(kCheck, {}, none, kStream, 0).data, nullptr);
  EXPECT_TRUE(allocations().empty());
}

TEST_F(WorkspaceTest, WhatTheCallerGaveIsChecked) {
  const ReservedWorkspaces none(kCheck);
  const auto error = [&](const Workspace& given) {
    return error_of([&] { workspace_for_call(kCheck, given, none, kStream, 4096); });
  };
  EXPECT_EQ(error({nullptr, 4096}), "some_operator: workspace has a null pointer and 4096 bytes; give its address");
  EXPECT_NE(error({reinterpret_cast<void*>(0x10008), 4096}).find("multiple of 16 bytes"), std::string::npos);
  EXPECT_NE(error({reinterpret_cast<void*>(0x10000), 4095}).find("4095 bytes; this call needs 4096"),
            std::string::npos);
}

TEST_F(WorkspaceTest, WithoutAnyACallIsRefused) {
  const ReservedWorkspaces none(kCheck);
  EXPECT_EQ(
      error_of([&] { workspace_for_call(kCheck, {}, none, kStream, 4096); }),
      "some_operator: this call needs 4096 bytes of workspace, and there are none: give them as workspace, or call "
      "reserve() for this stream ahead of time");
}

TEST_F(WorkspaceTest, EachStreamAndContextHasItsOwn) {
  ReservedWorkspaces reserved(kCheck);
  reserved.reserve(kStream, 1000);
  reserved.reserve(kOtherStream, 1000);
  ASSERT_EQ(allocations().size(), 2u);
  void* const first = workspace_for_call(kCheck, {}, reserved, kStream, 1000).data;
  EXPECT_EQ(first, reinterpret_cast<void*>(fake_cuda::kFirstAddress));
  EXPECT_NE(workspace_for_call(kCheck, {}, reserved, kOtherStream, 1000).data, first);
  fake_cuda::set_current(fake_cuda::context_of(1));
  EXPECT_NE(error_of([&] { workspace_for_call(kCheck, {}, reserved, kStream, 1); }), "");
}

TEST_F(WorkspaceTest, ALargerOneIsMadeAndTheSmallerOneStays) {
  {
    ReservedWorkspaces reserved(kCheck);
    reserved.reserve(kStream, 1000);
    reserved.reserve(kStream, 500);
    EXPECT_EQ(allocations().size(), 1u);
    EXPECT_NE(error_of([&] {
                workspace_for_call(kCheck, {}, reserved, kStream, 2000);
              }).find("needs 2000 bytes of workspace, and 1000 were reserved"),
              std::string::npos);
    reserved.reserve(kStream, 2000);
    ASSERT_EQ(allocations().size(), 2u);
    EXPECT_EQ(allocations()[1].bytes, 2000u);
    EXPECT_EQ(workspace_for_call(kCheck, {}, reserved, kStream, 2000).data,
              reinterpret_cast<void*>(2 * fake_cuda::kFirstAddress));
    // A graph may have captured the first one.
    EXPECT_FALSE(allocations()[0].freed);
    fake_cuda::set_current(nullptr);
  }
  EXPECT_TRUE(allocations()[0].freed);
  EXPECT_TRUE(allocations()[1].freed);
}

TEST_F(WorkspaceTest, NoMemoryIsAnErrorThatSaysHowMuchWasWanted) {
  ReservedWorkspaces reserved(kCheck);
  fake_cuda::state().out_of_memory = true;
  EXPECT_NE(error_of([&] { reserved.reserve(kStream, 12345); }).find("cuMemAlloc of 12345 bytes"), std::string::npos);
  fake_cuda::state().out_of_memory = false;
  reserved.reserve(kStream, 12345);
  EXPECT_EQ(allocations().size(), 1u);
}

TEST_F(WorkspaceTest, IsOneCallsAtATime) {
  ReservedWorkspaces reserved(kCheck);
  reserved.reserve(kStream, 1000);
  std::atomic<int> calls{0};
  std::thread other;
  {
    const auto first = workspace_for_call(kCheck, {}, reserved, kStream, 1000);
    other = std::thread([&] {
      fake_cuda::set_current(fake_cuda::context_of(0));
      const auto second = workspace_for_call(kCheck, {}, reserved, kStream, 1000);
      ++calls;
      fake_cuda::set_current(nullptr);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(calls, 0) << "two calls launch with the same memory at the same time";
  }
  other.join();
  EXPECT_EQ(calls, 1);
}

TEST_F(WorkspaceTest, IsFreedOnceNoCallLaunchesWithIt) {
  ReservedWorkspaces reserved(kCheck);
  reserved.reserve(kStream, 1000);
  {
    const auto call = workspace_for_call(kCheck, {}, reserved, kStream, 1000);
    reserved.release(kStream);
    EXPECT_FALSE(allocations()[0].freed) << "it is in use";
  }
  EXPECT_TRUE(allocations()[0].freed);
}

TEST_F(WorkspaceTest, IsNeitherMadeNorFreedInACapture) {
  ReservedWorkspaces reserved(kCheck);
  reserved.reserve(kStream, 1000);
  fake_cuda::state().capture = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  EXPECT_NE(error_of([&] { reserved.reserve(kStream, 2000); }).find("call it before the capture"), std::string::npos);
  EXPECT_NE(error_of([&] { reserved.release(kStream); }).find("call it before or after"), std::string::npos);
  EXPECT_NE(workspace_for_call(kCheck, {}, reserved, kStream, 1000).data, nullptr);
  EXPECT_FALSE(allocations()[0].freed);
  fake_cuda::state().capture = CU_STREAM_CAPTURE_STATUS_NONE;
}

}  // namespace
