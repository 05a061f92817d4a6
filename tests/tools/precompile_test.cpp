#include "operators/precompile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/tools/temporary_folder.h"

namespace attnjit::runtime {
namespace {

using ::testing::HasSubstr;

MhaVarlenConfig small(bool causal) {
  return {.head_dim_qk = 16, .head_dim_v = 16, .causal = causal, .out_dtype = DType::kBFloat16};
}

PrecompileOptions options_for(const test::TemporaryFolder& folder, std::vector<OperatorConfig> operators,
                              std::vector<std::string> archs) {
  PrecompileOptions options;
  options.operators = std::move(operators);
  options.archs = std::move(archs);
  options.context.cache_path = folder / "cache";
  return options;
}

std::vector<std::string> keys(const std::vector<KernelReport>& reports) {
  std::vector<std::string> result;
  for (const KernelReport& report : reports) result.push_back(report.key);
  return result;
}

TEST(Precompile, CompilesOnceThenFindsEverything) {
  const test::TemporaryFolder folder;
  const PrecompileOptions options = options_for(folder, {small(true)}, {"sm_80", "90a"});
  const std::vector<KernelReport> cold = precompile(options);
  ASSERT_GE(cold.size(), 2u);
  for (const KernelReport& report : cold) {
    EXPECT_TRUE(report.ok) << report.error;
    EXPECT_EQ(report.tier, cache::Tier::kCompiled);
    EXPECT_GT(report.seconds, 0);
    EXPECT_GT(report.registers, 16);
    EXPECT_EQ(report.spill_bytes, 0);
    EXPECT_GT(report.smem_bytes, 64 * 16 * 2);  // at least one key tile
    EXPECT_GT(report.cubin_bytes, 1000);
    EXPECT_THAT(report.compiler, HasSubstr("nvrtc 1"));
    EXPECT_EQ(nlohmann::json::parse(report.config_json).at("head_dim_qk"), 16);
    EXPECT_EQ(operator_config_from_json(report.operator_json), OperatorConfig(small(true)));
  }
  // In the order of archs.
  EXPECT_EQ(cold.front().target, "sm_80");
  EXPECT_EQ(cold.back().target, "sm_90a");
  EXPECT_TRUE(std::ranges::is_sorted(cold, {}, &KernelReport::target));

  const std::vector<KernelReport> warm = precompile(options);
  EXPECT_EQ(keys(warm), keys(cold));
  for (std::size_t i = 0; i < warm.size(); ++i) {
    EXPECT_EQ(warm[i].tier, cache::Tier::kStore);
    EXPECT_TRUE(warm[i].ok) << warm[i].error;
    EXPECT_EQ(warm[i].registers, cold[i].registers);
    EXPECT_EQ(warm[i].cubin_bytes, cold[i].cubin_bytes);
  }
}

TEST(Precompile, RecompileIgnoresTheCache) {
  const test::TemporaryFolder folder;
  PrecompileOptions options = options_for(folder, {small(false)}, {"sm_80"});
  const std::vector<KernelReport> first = precompile(options);
  options.recompile = true;
  const std::vector<KernelReport> again = precompile(options);
  EXPECT_EQ(keys(again), keys(first));
  for (const KernelReport& report : again) EXPECT_EQ(report.tier, cache::Tier::kCompiled);
}

TEST(Precompile, WhatFailsDoesNotStopTheOthers) {
  const test::TemporaryFolder folder;
  const MhaVarlenConfig no_such_dim{.head_dim_qk = 65, .head_dim_v = 64, .out_dtype = {}};
  const PrecompileOptions options = options_for(folder, {no_such_dim, small(true)}, {"sm_75", "no-target", "sm_80"});
  int served = 0;
  for (const KernelReport& report : precompile(options)) {
    const bool servable =
        report.target == "sm_80" && operator_config_from_json(report.operator_json) == OperatorConfig(small(true));
    EXPECT_EQ(report.ok, servable) << report.target << " " << report.operator_json << " " << report.error;
    EXPECT_EQ(report.error.empty(), servable);
    served += servable;
    if (report.target == "no-target") {
      EXPECT_THAT(report.error, HasSubstr("is not a target"));
    }
    if (report.target == "sm_75") {
      EXPECT_THAT(report.error, HasSubstr("SM 8.0"));
    }
    if (report.target == "sm_80" && !servable) {
      EXPECT_THAT(report.error, HasSubstr("65"));
    }
  }
  EXPECT_GT(served, 0);
}

TEST(Precompile, SharedKernelsAreCompiledOnce) {
  const test::TemporaryFolder folder;
  // Without out_dtype the output has the input's dtype: the same kernels, requested differently.
  MhaVarlenConfig same_kernel = small(true);
  same_kernel.out_dtype.reset();
  const std::vector<KernelReport> once = precompile(options_for(folder, {small(true)}, {"sm_80"}));
  const std::vector<KernelReport> twice = precompile(options_for(folder, {small(true), same_kernel}, {"sm_80", "8.0"}));
  EXPECT_EQ(keys(twice), keys(once));
}

TEST(Precompile, ProgressCountsEveryKernelOnce) {
  const test::TemporaryFolder folder;
  const MhaVarlenConfig no_such_dim{.head_dim_qk = 65, .head_dim_v = 64, .out_dtype = {}};
  PrecompileOptions options = options_for(folder, {small(true), no_such_dim}, {"sm_80"});
  options.jobs = 2;
  std::vector<int> done;
  std::vector<const KernelReport*> seen;
  int total = 0;
  const std::vector<KernelReport> reports = precompile(options, [&](const PrecompileProgress& progress) {
    done.push_back(progress.done);
    seen.push_back(progress.last);
    total = progress.total;
  });
  EXPECT_EQ(total, static_cast<int>(reports.size()));
  ASSERT_EQ(done.size(), reports.size());
  for (std::size_t i = 0; i < done.size(); ++i) EXPECT_EQ(done[i], static_cast<int>(i) + 1);
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::adjacent_find(seen), seen.end());
}

TEST(Precompile, ACacheThatKeepsNothingIsAFailure) {
  const test::TemporaryFolder folder;
  PrecompileOptions options = options_for(folder, {small(true)}, {"sm_80"});
  options.context.cache_path = ":memory:";
  const std::vector<KernelReport> reports = precompile(options);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_FALSE(reports.front().ok);
  EXPECT_THAT(reports.front().error, HasSubstr("no cache file"));
}

}  // namespace
}  // namespace attnjit::runtime
