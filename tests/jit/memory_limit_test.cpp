// Under a limit on this process's memory, work that does not fit is not started, and an out-of-memory error names the
// limit.
#include "jit/memory_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "attnjit/error.hpp"

namespace attnjit::jit {
namespace {

using ::testing::HasSubstr;

/// Runs `body` in a forked process whose address space may grow by `bytes`.
void with_room_for(std::size_t bytes, const std::function<void()>& body) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has mapped more than any limit allows";
#endif
  const pid_t child = ::fork();
  if (child == 0) {
    std::ifstream sizes("/proc/self/statm");
    rlim_t pages = 0;
    sizes >> pages;
    struct rlimit limit = {};
    ::getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + bytes;
    if (::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(2);
    body();
    std::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(MemoryLimit, WhatDoesNotFitIsNotBegun) {
  with_room_for(std::size_t{64} << 20, [] {
    EXPECT_THAT(memory_limit(), HasSubstr("ulimit -v"));
    EXPECT_TRUE(fits_under_memory_limit(std::size_t{16} << 20));
    EXPECT_FALSE(fits_under_memory_limit(std::size_t{80} << 20));
    try {
      const CompileMemory memory;
      ADD_FAILURE() << "NVRTC would end the process";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kNoCompiler);
      EXPECT_THAT(error.what(), HasSubstr("ulimit -v"));
    }
  });
}

TEST(MemoryLimit, IsNamedByAWantOfMemory) {
  with_room_for(std::size_t{64} << 20, [] {
    try {
      throw_memory_limit();
      ADD_FAILURE() << "there is a limit";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("ulimit -v"));
    }
  });
}

TEST(MemoryLimit, CompilesTakeTurnsWhereTwoDoNotFit) {
  with_room_for(std::size_t{200} << 20, [] {
    for (int i = 0; i < 3; ++i) const CompileMemory one_by_one;
  });
}

TEST(MemoryLimit, IsNoneWhereNoneIsSet) {
  struct rlimit space, data;
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &space), 0);
  ASSERT_EQ(::getrlimit(RLIMIT_DATA, &data), 0);
  if (space.rlim_cur != RLIM_INFINITY || data.rlim_cur != RLIM_INFINITY) GTEST_SKIP() << "this process has one";
  EXPECT_EQ(memory_limit(), "");
  EXPECT_NO_THROW(throw_memory_limit());
  EXPECT_TRUE(fits_under_memory_limit(std::size_t{1} << 60));
}

}  // namespace
}  // namespace attnjit::jit
