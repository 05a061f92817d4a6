// The committed report against the current sources; and the checks themselves, on reports that must fail.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "attnjit/context.hpp"
#include "attnjit/error.hpp"
#include "cache/key.h"
#include "operators/registry.h"
#include "runtime/context_impl.h"
#include "tests/gpu/digests.h"
#include "tests/gpu/report_check.h"
#include "tests/support/kept_kernels.h"
#include "verify/mha_varlen/cases.h"
#include "verify/tested_operators.h"

namespace attnjit::gpu_tests {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

/// The target of the report: kernels compiled for an H200.
constexpr const char* kTarget = "sm_90a";

const std::vector<runtime::KernelPlan>& kernels() {
  static const auto all = suite_kernels(runtime::sm_features(jit::Target::parse(kTarget)));
  return all;
}

Context compile_only_context() {
  ContextOptions options;
  options.device = ContextOptions::kNoDevice;
  options.arch = kTarget;
  options.cache_path = test::kept_kernels();
  return Context(options);
}

std::string joined(const std::vector<std::string>& lines) { return fmt::format("{}", fmt::join(lines, "\n")); }

class CommittedReport : public testing::Test {
 protected:
  void SetUp() override {
    for (const std::string& line : pending_families(report_)) fmt::print("{}\n", line);
  }
  const Json report_ = read_report(ATTNJIT_GPU_REPORT);
};

TEST_F(CommittedReport, HasTheFormThatTheSuiteWrites) {
  for (const char* key : {"device", "driver", "nvrtc", "date", "seed", "families", "launches", "kernels", "tests"}) {
    EXPECT_TRUE(report_.contains(key)) << key;
  }
  EXPECT_LT(format_report(report_).size(), 1'000'000u);
}

TEST_F(CommittedReport, VouchesForEveryFamily) {
  const std::string nvrtc = runtime::context_impl(compile_only_context())->loader().nvrtc().version().name();
  EXPECT_EQ(joined(check_families(report_, kernels(), nvrtc)), "");
}
TEST_F(CommittedReport, ListsEveryKernelOfTheSuite) { EXPECT_EQ(joined(check_kernels(report_, kernels())), ""); }
TEST_F(CommittedReport, HasOnlyTestsThatPassed) { EXPECT_EQ(joined(check_tests(report_)), ""); }

TEST(TestedOperators, NameTheFamiliesOfTheirKernels) {
  const runtime::SmFeatures features = runtime::sm_features(jit::Target::parse(kTarget));
  for (const TestedOperator& tested : tested_operators()) {
    std::set<std::string> named, run;
    named.insert(tested.families.begin(), tested.families.end());
    for (const runtime::KernelPlan& plan : tested.kernels(features)) run.insert(plan.spec.family);
    EXPECT_EQ(named, run) << tested.name;
  }
}

/// The report vouches for everything that `attnjit doctor` lists.
TEST(TestedOperators, HaveEveryFamilyOfTheLibrary) {
  std::set<std::string> tested_families;
  for (const TestedOperator& tested : tested_operators()) {
    tested_families.insert(tested.families.begin(), tested.families.end());
  }
  const std::vector<std::string> families = runtime::kernel_families();
  EXPECT_EQ(std::set<std::string>(families.begin(), families.end()), tested_families);
  EXPECT_EQ(families.size(), tested_families.size()) << "one is listed twice";
}

/// Whether a random case reaches a kernel depends on the seed, so some table has to reach it.
TEST(TestedOperators, LaunchEveryKernelThatTheyPlan) {
  const runtime::SmFeatures features = runtime::sm_features(jit::Target::parse(kTarget));
  const auto name_of = [](const runtime::KernelPlan& plan) { return plan.spec.family + " " + plan.spec.config_json(); };
  for (const TestedOperator& tested : tested_operators()) {
    std::set<std::string> launched, planned;
    for (const runtime::KernelPlan& plan : tested.launched(features)) launched.insert(name_of(plan));
    for (const runtime::KernelPlan& plan : tested.kernels(features)) planned.insert(name_of(plan));
    std::vector<std::string> unmet, unplanned;
    std::ranges::set_difference(planned, launched, std::back_inserter(unmet));
    std::ranges::set_difference(launched, planned, std::back_inserter(unplanned));
    EXPECT_EQ(joined(unmet), "") << tested.name << ": no case of its tables launches these: add one";
    EXPECT_EQ(joined(unplanned), "") << tested.name << ": its list of kernels lacks these";
  }
}

// ---- the checks can fail ------------------------------------------------------------------------------------------

/// A report of one kernel's run that passes all checks.
Json good_report(const runtime::KernelPlan& plan, const std::string& cubin_sha256) {
  const std::string family = plan.spec.family;
  Json report{{"families",
               {{family,
                 {{"status", "run"},
                  {"tests", 1},
                  {"failures", 0},
                  {"source_digest", source_digest(family)},
                  {"launch_digest", "1"}}}}},
              {"nvrtc", "13.0"},
              {"launches", {{"a call", "2"}}},
              {"kernels", Json::array({{{"family", family},
                                        {"target", kTarget},
                                        {"cubin_sha256", cubin_sha256},
                                        {"config", Json::parse(plan.spec.config_json())}}})},
              {"tests", Json::array()}};
  for (const char* name : {"compute-sanitizer memcheck", "compute-sanitizer racecheck", "compute-sanitizer synccheck",
                           "compute-sanitizer initcheck", "torch_context", "a"}) {
    report["tests"].push_back({{"name", name}, {"status", "passed"}});
  }
  return report;
}

class ReportCheck : public testing::Test {
 protected:
  const std::vector<runtime::KernelPlan> one_{kernels().front()};
  const std::string family_ = one_[0].spec.family;
  Json report_ = good_report(one_[0], "");
};

TEST_F(ReportCheck, AcceptsAGoodReport) {
  EXPECT_THAT(check_families(report_, one_), IsEmpty());
  EXPECT_THAT(check_kernels(report_, one_), IsEmpty());
  EXPECT_THAT(check_tests(report_), IsEmpty());
  EXPECT_THAT(pending_families(report_), IsEmpty());
}

TEST_F(ReportCheck, AChangedTemplateIsAFaultUnlessItsCubinsAreCompared) {
  report_["families"][family_]["source_digest"] = "0";
  EXPECT_THAT(check_families(report_, one_), Contains(HasSubstr(family_ + ": its templates changed")));
  EXPECT_THAT(check_families(report_, one_, "12.9"), Contains(HasSubstr(family_ + ": its templates changed")));
  EXPECT_THAT(check_families(report_, one_, "13.0"), IsEmpty());
}

TEST_F(ReportCheck, AnotherLaunchIsAFault) {
  const Recording same{.calls = {{"a call", "2"}}, .families = {{family_, "1"}}, .sources = {}};
  EXPECT_THAT(check_launches(report_, same), IsEmpty());
  const Recording other{.calls = {{"a call", "3"}, {"a new call", "4"}}, .families = {{family_, "0"}}, .sources = {}};
  const auto faults = check_launches(report_, other);
  EXPECT_THAT(faults, Contains(HasSubstr(family_ + ": the host code launches it otherwise")));
  EXPECT_THAT(faults, Contains(HasSubstr("2 calls differ")));
  EXPECT_THAT(faults, Contains(HasSubstr("a call, a new call")));
  EXPECT_THAT(check_launches(report_, {}), Contains(HasSubstr(family_ + ": no recorded call launches it")));
}

TEST_F(ReportCheck, ARunTakesInTheRecordingOfItsOwnBuildOnly) {
  Recording recording{.calls = {{"a call", "5"}}, .families = {{family_, "6"}}, .sources = host_digest()};
  EXPECT_THAT(check_launches(report_, recording), testing::Not(IsEmpty()));
  const std::string path = testing::TempDir() + "attnjit_recording_test.json";
  write_recording(path, recording);
  add_recording(report_, read_recording(path));
  EXPECT_THAT(check_launches(report_, recording), IsEmpty());
  recording.sources = "0";
  write_recording(path, recording);
  EXPECT_THROW(read_recording(path), std::runtime_error);
  std::remove(path.c_str());
}

TEST_F(ReportCheck, AFailureOrNoTestIsAFault) {
  report_["families"][family_]["failures"] = 2;
  EXPECT_THAT(check_families(report_, one_), Contains(HasSubstr("has failures")));
  report_["families"][family_].erase("failures");
  report_["families"][family_]["tests"] = 0;
  EXPECT_EQ(check_families(report_, one_).size(), 2u);
}

TEST_F(ReportCheck, AFamilyThatIsMissingOrUnknownIsAFault) {
  report_["families"]["sm70_mha_varlen"] = report_["families"][family_];
  report_["families"].erase(family_);
  const auto faults = check_families(report_, one_);
  EXPECT_THAT(faults, Contains(HasSubstr(family_ + ": is not in the report")));
  EXPECT_THAT(faults, Contains(HasSubstr("sm70_mha_varlen: is in the report, but")));
}

TEST_F(ReportCheck, APendingFamilyIsToldAndNotJudged) {
  report_["families"][family_] = {{"status", "pending"}, {"reason", "no GPU could be had"}};
  report_["kernels"] = Json::array();
  report_["tests"] = Json::array();
  EXPECT_THAT(check_families(report_, one_), IsEmpty());
  EXPECT_THAT(check_kernels(report_, one_), IsEmpty());
  EXPECT_THAT(check_tests(report_), IsEmpty());
  EXPECT_EQ(joined(pending_families(report_)), "NOT RUN ON A GPU: " + family_ + ", no GPU could be had");
  report_["families"][family_].erase("reason");
  EXPECT_THAT(check_families(report_, one_), Contains(HasSubstr("pending with a reason")));
}

TEST_F(ReportCheck, AKernelThatDidNotRunIsAFault) {
  EXPECT_THAT(check_kernels(report_, {kernels()[0], kernels()[1]}), Contains(HasSubstr("has not run on a GPU")));
  EXPECT_THAT(check_kernels(report_, {kernels()[1]}), Contains(HasSubstr("the suite has it no more")));
}

TEST_F(ReportCheck, ATestThatFailedOrIsMissingIsAFault) {
  report_["tests"].back()["status"] = "failed";
  EXPECT_THAT(check_tests(report_), Contains("test a: failed"));
  report_["tests"].erase(1);
  EXPECT_THAT(check_tests(report_), Contains(HasSubstr("compute-sanitizer racecheck: is not in the report")));
}

TEST_F(ReportCheck, SharesLookAtEveryKernelOnce) {
  const Context context = compile_only_context();
  std::vector<runtime::KernelPlan> three(kernels().begin(), kernels().begin() + 3);
  Json report = good_report(three[0], "");
  for (const std::size_t i : {1, 2}) report["kernels"].push_back(good_report(three[i], "")["kernels"][0]);
  for (std::size_t i = 1; i < three.size(); ++i) {
    report["families"][three[i].spec.family] = good_report(three[i], "")["families"][three[i].spec.family];
  }
  std::multiset<std::string> faults;
  for (const std::size_t first : {0, 1}) {
    for (const std::string& fault :
         check_cubins(report, three, runtime::context_impl(context)->loader(), {.first = first, .of = 2})) {
      faults.insert(fault);
    }
  }
  const auto all = check_cubins(report, three, runtime::context_impl(context)->loader());
  EXPECT_EQ(all.size(), three.size());
  EXPECT_EQ(faults, std::multiset<std::string>(all.begin(), all.end()));
}

TEST_F(ReportCheck, AnotherCubinIsAFault) {
  const Context context = compile_only_context();
  runtime::KernelLoader& loader = runtime::context_impl(context)->loader();
  EXPECT_THAT(check_cubins(report_, one_, loader), Contains(HasSubstr("compiles to other bits")));
  const auto& image = loader.prepare(one_[0]).entry->image;
  const std::string digest = cache::sha256({reinterpret_cast<const char*>(image.data()), image.size()}).hex();
  EXPECT_THAT(check_cubins(good_report(one_[0], digest), one_, loader), IsEmpty());

  // And once more from scratch: the compiler must depend only on its input.
  const Context another = compile_only_context();
  EXPECT_THAT(check_cubins(good_report(one_[0], digest), one_, runtime::context_impl(another)->loader()), IsEmpty());
}

}  // namespace
}  // namespace attnjit::gpu_tests
