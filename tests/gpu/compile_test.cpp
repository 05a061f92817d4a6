// What the suite's configs compile to, for every kind of SM, without a GPU: entry, spills, shared memory and a clean
// log.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "attnjit/context.hpp"
#include "jit/compiler.h"
#include "runtime/context_impl.h"
#include "tests/support/kept_kernels.h"
#include "verify/tested_operators.h"

namespace attnjit::gpu_tests {

void PrintTo(const CompileCase& c, std::ostream* stream);

namespace {

std::string name_of(const CompileCase& c) { return c.target + "_" + c.name; }

/// One loader per target, shared by all tests of this program.
runtime::KernelLoader& loader_for(const std::string& target) {
  static std::map<std::string, Context> contexts;
  auto found = contexts.find(target);
  if (found == contexts.end()) {
    ContextOptions options;
    options.device = ContextOptions::kNoDevice;
    options.arch = target;
    options.cache_path = test::kept_kernels();
    options.compiler = CompilerPolicy::kExact;
    found = contexts.emplace(target, Context(options)).first;
  }
  return runtime::context_impl(found->second)->loader();
}

class Compile : public testing::TestWithParam<CompileCase> {};

TEST_P(Compile, KeepsItsPromises) {
  const CompileCase& c = GetParam();
  runtime::KernelLoader& loader = loader_for(c.target);
  const jit::Target target = jit::Target::parse(c.target);
  if (!loader.nvrtc().supports(target)) GTEST_SKIP() << loader.nvrtc().name() << " does not know " << c.target;
  const runtime::SmFeatures features = runtime::sm_features(target);

  for (const runtime::KernelPlan& plan : c.plans(features)) {
    SCOPED_TRACE(plan.spec.config_json());
    const cache::Found found = loader.prepare(plan);
    const cache::Entry& entry = *found.entry;
    EXPECT_EQ(entry.fields.target, c.target);
    EXPECT_EQ(entry.entry_point, plan.spec.entry());
    EXPECT_FALSE(entry.image.empty());
    EXPECT_EQ(entry.resources.at("spill_store_bytes"), 0);
    EXPECT_EQ(entry.resources.at("spill_load_bytes"), 0);
    EXPECT_EQ(entry.resources.at("stack_bytes"), 0);
    EXPECT_LE(entry.resources.at("static_shared_bytes") + plan.smem_bytes, features.smem_per_cta);
    EXPECT_GT(entry.resources.at("registers"), 0);
    EXPECT_LE(entry.resources.at("registers") * plan.threads, features.registers_per_sm);
    EXPECT_EQ(entry.log.find("warning"), std::string::npos) << entry.log;
    // Its log should hold only ptxas's report.
    EXPECT_EQ(entry.log.find("error"), std::string::npos) << entry.log;
    RecordProperty("seconds_" + std::to_string(plan.smem_bytes), fmt::format("{:.2f}", entry.compile_seconds));
  }
}

std::vector<CompileCase> compile_cases() {
  std::vector<CompileCase> all;
  for (const TestedOperator& tested : tested_operators()) {
    for (CompileCase& c : tested.compile_cases()) all.push_back(std::move(c));
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Templates, Compile, testing::ValuesIn(compile_cases()),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace

void PrintTo(const CompileCase& c, std::ostream* stream) { *stream << name_of(c); }

}  // namespace attnjit::gpu_tests
