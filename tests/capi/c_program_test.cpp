#include "c_program.h"

#include <gtest/gtest.h>

TEST(CProgram, SeesWhatTheHeaderPromises) {
  const char* const fault = run_c_program();
  EXPECT_EQ(fault, nullptr) << fault;
}
