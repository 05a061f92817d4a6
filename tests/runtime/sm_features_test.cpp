#include "runtime/sm_features.h"

#include <gtest/gtest.h>

#include "attnjit/error.hpp"

namespace {

using attnjit::jit::Target;
using attnjit::runtime::sm_features;

TEST(SmFeatures, LimitsAreThoseOfTheProgrammingGuide) {
  struct Row {
    const char* target;
    int smem_kib;
    bool e4m3_cvt;
  };
  for (const Row& row : {Row{"sm_80", 163, false}, {"sm_86", 99, false}, {"sm_87", 163, false}, {"sm_89", 99, true},
                         {"sm_90a", 227, true}, {"sm_100f", 227, true}, {"sm_120f", 99, true}, {"sm_121", 99, true}}) {
    const auto features = sm_features(Target::parse(row.target));
    EXPECT_EQ(features.smem_per_cta, row.smem_kib * 1024) << row.target;
    EXPECT_EQ(features.e4m3_cvt, row.e4m3_cvt) << row.target;
    EXPECT_EQ(features.dependent_launch, features.sm >= 90) << row.target;
    EXPECT_EQ(features.sm, Target::parse(row.target).number());
  }
}

TEST(SmFeatures, OlderThanAmpereIsRefused) {
  try {
    sm_features(Target::parse("sm_75"));
    FAIL() << "sm_75 was accepted";
  } catch (const attnjit::Error& error) {
    EXPECT_EQ(error.status(), attnjit::Status::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("8.0"), std::string::npos) << error.what();
  }
}

}  // namespace
