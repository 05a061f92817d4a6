// Rows of the store with a correct checksum and a kernel other than the one requested.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "attnjit/mha_varlen.hpp"
#include "cache/store.h"
#include "tests/bad_input/machine.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class WrongRows : public testing::Test {
 protected:
  /// The right kernel, compiled once for all tests.
  static void SetUpTestSuite() {
    fake_cuda::reset();
    const ScopedEnvironment driver("ATTNJIT_LIBCUDA", FAKE_CUDA_PATH);
    ContextOptions options;
    options.cache_path = program_folder() / "right-rows";
    const MhaVarlen op(Context(options), kConfig);
  }
  WrongRows() {
    fake_cuda::reset();
    std::filesystem::remove_all(cache_);
    std::filesystem::copy(program_folder() / "right-rows", cache_);
    std::filesystem::permissions(cache_, std::filesystem::perms::owner_all);
  }

  /// Creates the operator in a new Context, which loads its one kernel.
  Status make(CompilerPolicy compiler = CompilerPolicy::kNewest) {
    warnings_.clear();
    ContextOptions options;
    options.cache_path = cache_.string();
    options.compiler = compiler;
    options.log = [this](LogLevel level, const std::string& line) {
      if (level == LogLevel::kWarning) warnings_.push_back(line);
    };
    const Context context(options);
    Status status = Status::kOk;
    try {
      const MhaVarlen op(context, kConfig);
    } catch (const Error& error) {
      status = error.status();
    }
    compiled_ = context.counters().compiles;
    return status;
  }
  /// Stores every row again after `change`, with a checksum over the result.
  void rewrite(const std::function<void(cache::Entry&)>& change) const {
    cache::Store store(cache_);
    for (cache::Entry entry : store.list(/*with_images=*/true)) {
      change(entry);
      store.put(entry);
    }
  }
  /// A compile serves this request, the store serves the next one.
  void expect_replaced(const std::string& why) {
    EXPECT_EQ(make(), Status::kOk);
    EXPECT_EQ(compiled_, 1);
    EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("bad row"), HasSubstr(why), HasSubstr("deleted"))));
    EXPECT_EQ(make(), Status::kOk);
    EXPECT_EQ(compiled_, 0);
    EXPECT_TRUE(warnings_.empty());
  }

  const std::filesystem::path cache_ = program_folder() / "wrong-rows";
  static constexpr MhaVarlenConfig kConfig{.head_dim_qk = 16, .head_dim_v = 16, .rope_dim = 0};
  std::int64_t compiled_ = 0;
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
  constexpr std::size_t kFlags = 48;  // e_flags of the ELF header: the SM is in one of its two lower bytes
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

/// Faults that the bytes do not show appear when the driver loads them.
TEST_F(WrongRows, WhatTheDriverFailsOverIsDroppedAndCompiled) {
  for (const CompilerPolicy policy : {CompilerPolicy::kNewest, CompilerPolicy::kExact}) {
    fake_cuda::state().cubins_to_refuse = 1;
    fake_cuda::state().refusal = CUDA_ERROR_UNKNOWN;
    EXPECT_EQ(make(policy), Status::kOk);
    EXPECT_EQ(compiled_, 1);
    EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("stored cubin of sm80_mha_varlen"), HasSubstr("dropped"))));
  }
  EXPECT_EQ(make(), Status::kOk);
  EXPECT_EQ(compiled_, 0);
}

TEST_F(WrongRows, WhatTheDriverFailsOverTwiceIsAnError) {
  fake_cuda::state().cubins_to_refuse = 2;
  fake_cuda::state().refusal = CUDA_ERROR_UNKNOWN;
  EXPECT_EQ(make(), Status::kDriverError);
  EXPECT_EQ(compiled_, 1);
}

TEST_F(WrongRows, AFailureThatIsNotTheCubinsKeepsTheRow) {
  fake_cuda::state().cubins_to_refuse = 1;
  fake_cuda::state().refusal = CUDA_ERROR_OUT_OF_MEMORY;
  EXPECT_EQ(make(), Status::kDriverError);
  EXPECT_EQ(make(), Status::kOk);
  EXPECT_EQ(compiled_, 0);
}

}  // namespace
}  // namespace attnjit::bad_input
