// Rows of the store whose checksum is right and whose kernel is not the one that was asked for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cache/store.h"
#include "tests/bad_input/machine.h"
#include "tests/bad_input/mha_varlen_operation.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

class WrongRows : public testing::Test {
 protected:
  WrongRows() {
    fake_cuda::reset();
    std::filesystem::remove_all(cache_);
    EXPECT_EQ(make().status, Status::kOk);
  }

  Outcome make(CompilerPolicy compiler = CompilerPolicy::kNewest) {
    compiled_ = 0;
    warnings_.clear();
    ContextOptions options;
    options.cache_path = cache_.string();
    options.compiler = compiler;
    options.log = [this](LogLevel level, const std::string& line) {
      compiled_ += line.starts_with("compiling sm90_mha_varlen");
      if (level == LogLevel::kWarning) warnings_.push_back(line);
    };
    MhaVarlenOperation operation;  // of small heads, whose kernels compile in half the time
    operation.config.head_dim_qk = operation.config.head_dim_v = 64;
    operation.config.rope_dim = 0;
    operation.params.k_nope = operation.params.k_pe = {};
    operation.params.q = operation.params.k = operation.params.v = operation.params.out =
        Tensor::contiguous(test::address(0x40000), DType::kBFloat16, {300, 16, 64});
    return attempt(Api::kCpp, options, &operation);
  }
  /// Every row is stored anew, with a checksum over what `change` made of it.
  void rewrite(const std::function<void(cache::Entry&)>& change) const {
    cache::Store store(cache_);
    for (cache::Entry entry : store.list(/*with_images=*/true)) {
      change(entry);
      store.put(entry);
    }
  }
  /// The request is served by compiles, the next one from the store.
  void expect_replaced(const std::string& why) {
    EXPECT_EQ(make().status, Status::kOk);
    EXPECT_EQ(compiled_, 2);
    EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("bad row"), HasSubstr(why), HasSubstr("deleted"))));
    EXPECT_EQ(make().status, Status::kOk);
    EXPECT_EQ(compiled_, 0);
    EXPECT_TRUE(warnings_.empty());
  }

  const std::filesystem::path cache_ = program_folder() / "wrong-rows";
  int compiled_ = 0;
  std::vector<std::string> warnings_;
  ScopedEnvironment driver_{"ATTNJIT_LIBCUDA", FAKE_CUDA_PATH};
};

TEST_F(WrongRows, AnotherEntryPoint) {
  rewrite([](cache::Entry& entry) { entry.entry_point = "another"; });
  expect_replaced("its entry point is another, not attnjit_");
}

TEST_F(WrongRows, NoCubin) {
  rewrite([](cache::Entry& entry) { entry.image.assign(1000, 'x'); });
  expect_replaced("no cubin");
}

TEST_F(WrongRows, AnotherSm) {
  constexpr std::size_t kFlags = 48;  // of ELF's header: the SM is in one of its two lower bytes
  rewrite([](cache::Entry& entry) {
    for (std::size_t i = kFlags; i < kFlags + 2; ++i) {
      if (entry.image[i] == 90) entry.image[i] = 80;
    }
  });
  expect_replaced("of SM 80, not for sm_90a");
}

TEST_F(WrongRows, ACubinWithoutTheKernel) {
  rewrite([](cache::Entry& entry) {
    const std::string name = entry.entry_point;
    std::string bytes(entry.image.begin(), entry.image.end());
    for (std::size_t at = bytes.find(name); at != std::string::npos; at = bytes.find(name, at + 1)) bytes[at] = 'X';
    entry.image.assign(bytes.begin(), bytes.end());
  });
  expect_replaced("its cubin has no kernel");
}

/// What the bytes do not tell shows when the driver loads them.
TEST_F(WrongRows, WhatTheDriverFailsOverIsDroppedAndCompiled) {
  for (const CompilerPolicy policy : {CompilerPolicy::kNewest, CompilerPolicy::kExact}) {
    fake_cuda::state().cubins_to_refuse = 1;
    fake_cuda::state().refusal = CUDA_ERROR_UNKNOWN;
    const Outcome outcome = make(policy);
    EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
    EXPECT_EQ(compiled_, 1);
    EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("stored cubin of sm90_mha_varlen"), HasSubstr("dropped"))));
  }
  EXPECT_EQ(make().status, Status::kOk);
  EXPECT_EQ(compiled_, 0);
}

TEST_F(WrongRows, WhatTheDriverFailsOverTwiceIsAnError) {
  fake_cuda::state().cubins_to_refuse = 2;
  fake_cuda::state().refusal = CUDA_ERROR_UNKNOWN;
  EXPECT_EQ(make().status, Status::kDriverError);
  EXPECT_EQ(compiled_, 1);
}

TEST_F(WrongRows, AFailureThatIsNotTheCubinsKeepsTheRow) {
  fake_cuda::state().cubins_to_refuse = 1;
  fake_cuda::state().refusal = CUDA_ERROR_OUT_OF_MEMORY;
  EXPECT_EQ(make().status, Status::kDriverError);
  EXPECT_EQ(make().status, Status::kOk);
  EXPECT_EQ(compiled_, 0);
}

}  // namespace
}  // namespace attnjit::bad_input
