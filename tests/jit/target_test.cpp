#include "jit/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attnjit/error.hpp"

namespace attnjit::jit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> names_for_device(int major, int minor) {
  std::vector<std::string> names;
  for (const Target& target : targets_for_device(major, minor)) names.push_back(target.name());
  return names;
}

TEST(Target, ParsesEverySpelling) {
  const Target hopper{9, 0, 'a'};
  EXPECT_EQ(Target::parse("sm_90a"), hopper);
  EXPECT_EQ(Target::parse("90a"), hopper);
  EXPECT_EQ(Target::parse("9.0a"), hopper);
  EXPECT_EQ(Target::parse("sm_80"), (Target{8, 0, 0}));
  EXPECT_EQ(Target::parse("8.9"), (Target{8, 9, 0}));
  EXPECT_EQ(Target::parse("10.3f"), (Target{10, 3, 'f'}));
  EXPECT_EQ(Target::parse("sm_121f"), (Target{12, 1, 'f'}));
}

TEST(Target, PrintsWhatItParses) {
  for (const char* const name : {"sm_80", "sm_90a", "sm_100f", "sm_103", "sm_121a"}) {
    EXPECT_EQ(Target::parse(name).name(), name);
  }
  EXPECT_EQ(Target::parse("12.0f").number(), 120);
}

TEST(Target, RefusesAnythingElse) {
  for (const char* const text : {"", "sm_", "a", "sm_9", "sm90", "compute_90", "sm_90b", "sm_90aa", "SM_90", "9.", ".9",
                                 "9.10", "-90", "9.-1", "sm_1000", " 90", "90 ", "0.5"}) {
    try {
      Target::parse(text);
      ADD_FAILURE() << "\"" << text << "\" was taken for a target";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kInvalidArgument);
      EXPECT_THAT(error.what(), HasSubstr("\"" + std::string(text) + "\""));
      EXPECT_THAT(error.what(), HasSubstr("sm_90a"));
    }
  }
}

TEST(TargetsForDevice, KnownDevices) {
  EXPECT_THAT(names_for_device(8, 0), ElementsAre("sm_80"));
  EXPECT_THAT(names_for_device(8, 6), ElementsAre("sm_86"));
  EXPECT_THAT(names_for_device(8, 7), ElementsAre("sm_87"));
  EXPECT_THAT(names_for_device(8, 8), ElementsAre("sm_88"));
  EXPECT_THAT(names_for_device(8, 9), ElementsAre("sm_89"));
  EXPECT_THAT(names_for_device(9, 0), ElementsAre("sm_90a", "sm_90"));
  EXPECT_THAT(names_for_device(10, 0), ElementsAre("sm_100f", "sm_100a", "sm_100"));
  EXPECT_THAT(names_for_device(10, 1), ElementsAre("sm_101f", "sm_101a", "sm_101"));
  EXPECT_THAT(names_for_device(10, 3), ElementsAre("sm_100f", "sm_103f", "sm_103a", "sm_103", "sm_100"));
  EXPECT_THAT(names_for_device(11, 0), ElementsAre("sm_110f", "sm_110a", "sm_110"));
  EXPECT_THAT(names_for_device(12, 0), ElementsAre("sm_120f", "sm_120a", "sm_120"));
  EXPECT_THAT(names_for_device(12, 1), ElementsAre("sm_120f", "sm_121f", "sm_121a", "sm_121", "sm_120"));
}

TEST(TargetsForDevice, YoungerDevicesGetPortableTargets) {
  EXPECT_THAT(names_for_device(9, 2), ElementsAre("sm_92", "sm_90"));
  EXPECT_THAT(names_for_device(12, 4), ElementsAre("sm_124", "sm_120"));
  EXPECT_THAT(names_for_device(12, 10), ElementsAre("sm_120"));  // "sm_130" would be another device
  EXPECT_THAT(names_for_device(13, 0), ElementsAre("sm_130"));
}

TEST(TargetsForDevice, OlderDevicesHaveNone) {
  EXPECT_THAT(names_for_device(7, 5), IsEmpty());
  EXPECT_THAT(names_for_device(0, 0), IsEmpty());
  EXPECT_THAT(names_for_device(9, -1), IsEmpty());
}

}  // namespace
}  // namespace attnjit::jit
