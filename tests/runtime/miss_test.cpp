// What a missing kernel leads to, without a device: policies, callback, error, and the command line to run.
#include "runtime/miss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "attnjit/attnjit.hpp"
#include "cache/store.h"
#include "operators/operator_config.h"
#include "operators/precompile.h"

namespace attnjit {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// Small dims, one kernel: it compiles in about a tenth of a second.
MhaVarlenConfig small_config(bool causal = true) {
  return {
      .head_dim_qk = 16, .head_dim_v = 16, .rope_dim = 0, .dtype = DType::kBFloat16, .causal = causal, .out_dtype = {}};
}

class MissTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "attnjit-miss-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = std::filesystem::canonical(pattern);
    ::unsetenv("ATTNJIT_ON_MISS");
    ::unsetenv("ATTNJIT_CACHE_MAX_SIZE");
    ::unsetenv("ATTNJIT_TEMPLATE_DIR");
  }
  void TearDown() override {
    ::unsetenv("ATTNJIT_ON_MISS");
    ::unsetenv("ATTNJIT_CACHE_MAX_SIZE");
    std::filesystem::remove_all(directory_);
  }

  ContextOptions options() {
    ContextOptions result;
    result.device = ContextOptions::kNoDevice;
    result.arch = "sm_80";
    result.cache_path = directory_;
    result.log = [this](LogLevel level, const std::string& message) {
      if (level == LogLevel::kWarning) warnings_.push_back(message);
    };
    result.miss_callback = [this](const Miss& miss) { misses_.push_back(miss); };
    return result;
  }
  /// The error from creating an operator, which must be a MissError.
  static MissError refusal(const Context& context, const MhaVarlenConfig& config) {
    try {
      const MhaVarlen op(context, config);
    } catch (const MissError& error) {
      return error;
    }
    ADD_FAILURE() << "a missing kernel was compiled, or found";
    return {"", {}};
  }

  std::filesystem::path directory_;
  std::vector<std::string> warnings_;
  std::vector<Miss> misses_;
};

TEST_F(MissTest, AllowCompilesAndTellsOnlyTheCallback) {
  const Context context(options());
  EXPECT_EQ(context.miss_policy(), MissPolicy::kAllow);
  const MhaVarlen op(context, small_config());
  ASSERT_FALSE(misses_.empty());
  EXPECT_EQ(misses_[0].policy, MissPolicy::kAllow);
  EXPECT_THAT(warnings_, IsEmpty());
  const std::size_t kernels = misses_.size();
  const MhaVarlen again(context, small_config());
  EXPECT_EQ(misses_.size(), kernels) << "a hit was told as a miss";
  EXPECT_EQ(context.counters().misses, static_cast<std::int64_t>(kernels));
  EXPECT_EQ(context.counters().compiles, static_cast<std::int64_t>(kernels));
}

TEST_F(MissTest, WarnSaysWhatIsMissingAndCompiles) {
  Context context(options());
  context.freeze(MissPolicy::kWarn);
  const MhaVarlen op(context, small_config());
  ASSERT_THAT(warnings_, SizeIs(misses_.size()));
  EXPECT_THAT(warnings_[0], AllOf(HasSubstr("\"head_dim_qk\":16"), HasSubstr("sm_80"), HasSubstr("compiling it now"),
                                  HasSubstr("attnjit precompile-cache --cache " + directory_.string())));
  EXPECT_GE(context.counters().compiles, 1);
}

TEST_F(MissTest, ErrorCompilesNothingAndSaysAllThereIsToKnow) {
  Context context(options());
  const MhaVarlen warm(context, small_config());
  misses_.clear();
  context.freeze();
  EXPECT_EQ(context.miss_policy(), MissPolicy::kError);
  const std::int64_t compiles = context.counters().compiles;

  const MissError error = refusal(context, small_config(/*causal=*/false));
  EXPECT_EQ(error.status(), Status::kCacheMiss);
  const Miss& miss = error.miss();
  const json wanted = json::parse(miss.operator_config);
  EXPECT_EQ(wanted["operator"], "mla_prefill");
  EXPECT_EQ(wanted["causal"], false);
  EXPECT_EQ(json::parse(miss.kernel_config)["causal"], false);
  EXPECT_EQ(miss.family, "sm80_mha_varlen");
  EXPECT_EQ(miss.arch, "sm_80");
  EXPECT_THAT(miss.key, SizeIs(64));
  EXPECT_EQ(miss.reason, MissReason::kAbsent);
  EXPECT_EQ(miss.why, "");
  EXPECT_EQ(miss.policy, MissPolicy::kError);
  EXPECT_EQ(miss.command, "attnjit precompile-cache --cache " + directory_.string() +
                              " --arch sm_80 --config operator=mla_prefill head_dim_qk=16 head_dim_v=16 rope_dim=0 "
                              "dtype=bfloat16 causal=false");
  EXPECT_THAT(error.what(), AllOf(HasSubstr(miss.operator_config), HasSubstr(miss.key.substr(0, 12)),
                                  HasSubstr(cache::Store::file_name()), EndsWith(miss.command)));
  ASSERT_THAT(misses_, SizeIs(1));
  EXPECT_EQ(misses_[0].key, miss.key);

  const CacheCounters counters = context.counters();
  EXPECT_EQ(counters.compiles, compiles) << "something was compiled";
  EXPECT_EQ(counters.refusals, 1);
  EXPECT_EQ(counters.compile_failures, 0);
  EXPECT_EQ(cache::Store(directory_).stat().entries, compiles);
  const MhaVarlen still(context, small_config());  // a cached kernel is served
}

TEST_F(MissTest, TheErrorsConfigIsWhatHelps) {
  Context frozen(options());
  frozen.freeze();
  const MissError error = refusal(frozen, small_config());
  runtime::PrecompileOptions precompile;
  precompile.operators = {runtime::operator_config_from_json(error.miss().operator_config)};
  precompile.archs = {error.miss().arch};
  precompile.context.cache_path = directory_;
  std::set<std::string> keys;
  for (const runtime::KernelReport& report : runtime::precompile(precompile)) {
    EXPECT_TRUE(report.ok) << report.error;
    keys.insert(report.key);
  }
  EXPECT_TRUE(keys.contains(error.miss().key));
  const MhaVarlen op(frozen, small_config());  // meanwhile another process filled the cache
  EXPECT_EQ(frozen.counters().compiles, 0);
  EXPECT_EQ(frozen.counters().store_hits, static_cast<std::int64_t>(keys.size()));
}

TEST_F(MissTest, AFreezeIsOfAllCopiesAndCanBeTakenBack) {
  Context context(options());
  const Context copy = context;
  context.freeze();
  refusal(copy, small_config());
  context.freeze(MissPolicy::kAllow);
  const MhaVarlen op(copy, small_config());
  const Context other(options());
  EXPECT_EQ(other.miss_policy(), MissPolicy::kAllow);
}

TEST_F(MissTest, ThreadsThatWantTheSameKernelAreAllRefused) {
  Context context(options());
  context.freeze();
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      try {
        const MhaVarlen op(context, small_config());
      } catch (const MissError&) {
        ++refused;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused, 4);
  EXPECT_EQ(context.counters().compiles, 0);
}

TEST_F(MissTest, WithoutACacheFileTheAdviceIsAnother) {
  ContextOptions memory_only = options();
  memory_only.cache_path = ":memory:";
  memory_only.on_miss = MissPolicy::kError;
  const MissError error = refusal(Context(memory_only), small_config());
  EXPECT_THAT(error.what(), AllOf(HasSubstr("this Context has none"), HasSubstr("give it a cache folder"),
                                  Not(HasSubstr("precompile-cache"))));
}

/// Stands in for anything that keeps a cache file from being opened.
TEST_F(MissTest, AStoreThatCannotBeReadIsSaidInsteadOfAMiss) {
  std::filesystem::create_directory(std::filesystem::path(directory_) / cache::Store::file_name());
  ContextOptions frozen = options();
  frozen.on_miss = MissPolicy::kError;
  const MissError error = refusal(Context(frozen), small_config());
  EXPECT_EQ(error.miss().reason, MissReason::kStoreUnreadable);
  EXPECT_THAT(error.miss().why, HasSubstr("is not a regular file"));
  EXPECT_THAT(error.what(), AllOf(HasSubstr("cannot be read"), HasSubstr(error.miss().why),
                                  HasSubstr("miss policy error"), Not(HasSubstr("Compile it ahead of time"))));

  ContextOptions without_compiler = options();
  without_compiler.nvrtc_path = "/nowhere/libnvrtc.so";
  try {
    const MhaVarlen op(Context(without_compiler), small_config());
    FAIL() << "it was compiled without a compiler";
  } catch (const Error& caught) {
    EXPECT_EQ(caught.status(), Status::kNoCompiler);
    EXPECT_THAT(caught.what(), AllOf(HasSubstr("which may have the kernel"), HasSubstr("is not a regular file"),
                                     HasSubstr("/nowhere/libnvrtc.so")));
  }
}

TEST_F(MissTest, WhatTheCallbackThrowsIsThrownAndNothingIsCompiled) {
  ContextOptions throwing = options();
  throwing.miss_callback = [](const Miss&) { throw std::domain_error("not now"); };
  const Context context(throwing);
  EXPECT_THROW(MhaVarlen(context, small_config()), std::domain_error);
  EXPECT_EQ(context.counters().compiles, 0);
}

TEST_F(MissTest, TheEnvironmentSetsThePolicyUnlessTheOptionsDo) {
  ::setenv("ATTNJIT_ON_MISS", "error", 1);
  EXPECT_EQ(Context(options()).miss_policy(), MissPolicy::kError);
  ContextOptions explicitly = options();
  explicitly.on_miss = MissPolicy::kWarn;
  EXPECT_EQ(Context(explicitly).miss_policy(), MissPolicy::kWarn);
  ::setenv("ATTNJIT_ON_MISS", "warn", 1);
  EXPECT_EQ(Context(options()).miss_policy(), MissPolicy::kWarn);
  ::setenv("ATTNJIT_ON_MISS", "", 1);
  EXPECT_EQ(Context(options()).miss_policy(), MissPolicy::kAllow);
  ::setenv("ATTNJIT_ON_MISS", "eror", 1);
  try {
    const Context context(options());
    FAIL() << "ATTNJIT_ON_MISS=eror was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kInvalidArgument);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("ATTNJIT_ON_MISS is \"eror\""), HasSubstr("allow"), HasSubstr("warn"),
                                    HasSubstr("error")));
  }
}

TEST_F(MissTest, PrecompilingCompilesWhateverTheEnvironmentSays) {
  ::setenv("ATTNJIT_ON_MISS", "error", 1);
  runtime::PrecompileOptions precompile;
  precompile.operators = {small_config()};
  precompile.archs = {"sm_80"};
  precompile.context.cache_path = directory_;
  for (const runtime::KernelReport& report : runtime::precompile(precompile)) EXPECT_TRUE(report.ok) << report.error;
}

TEST_F(MissTest, PoliciesThatAreNoneAreRefused) {
  ContextOptions wrong = options();
  wrong.on_miss = static_cast<MissPolicy>(7);
  EXPECT_THROW(Context{wrong}, Error);
  Context context(options());
  EXPECT_THROW(context.freeze(static_cast<MissPolicy>(-1)), Error);
  EXPECT_EQ(context.miss_policy(), MissPolicy::kAllow);
}

TEST_F(MissTest, TheSizeCapComesFromOptionsOrEnvironment) {
  ContextOptions tiny = options();
  tiny.cache_max_bytes = 1;
  const Context context(tiny);
  const MhaVarlen first(context, small_config());
  const MhaVarlen second(context, small_config(false));
  EXPECT_EQ(cache::Store(directory_).stat().entries, 1);
  EXPECT_GE(context.counters().evicted_rows, 1);

  ::setenv("ATTNJIT_CACHE_MAX_SIZE", "1", 1);
  const Context by_environment(options());
  const MhaVarlen third(by_environment, small_config());
  EXPECT_EQ(cache::Store(directory_).stat().entries, 1);

  ::setenv("ATTNJIT_CACHE_MAX_SIZE", "many", 1);
  EXPECT_THROW(Context{options()}, Error);
  ::unsetenv("ATTNJIT_CACHE_MAX_SIZE");
  tiny.cache_max_bytes = -5;
  EXPECT_THROW(Context{tiny}, Error);
}

TEST(MissText, WordsOfAShellAreQuoted) {
  runtime::KernelPlan plan;
  plan.serves = runtime::text_of(small_config());
  const runtime::MissPlace place{.store_path = "/home/a b/it's/kernels.sqlite", .template_dir = "/src/templates"};
  const Miss miss = runtime::describe_miss(plan, {}, place, MissPolicy::kError);
  EXPECT_THAT(miss.command,
              ::testing::StartsWith("ATTNJIT_TEMPLATE_DIR=/src/templates attnjit precompile-cache --cache "
                                    "'/home/a b/it'\\''s' --arch"));
  // Names that are not UTF-8 still lead to the folder, and reach the host's callback as plain text.
  const Miss odd =
      runtime::describe_miss(plan, {}, {.store_path = "/a\xff/kernels.sqlite", .template_dir = ""}, MissPolicy::kError);
  EXPECT_THAT(odd.command, HasSubstr(R"x(--cache '/a'"$(printf '\377')"'' --arch)x"));
}

TEST(MissText, NoCommandIsGivenForACubinThatTheDriverRefuses) {
  runtime::KernelPlan plan;
  plan.serves = runtime::text_of(small_config());
  const auto command = [&](MissReason reason) {
    return runtime::describe_miss(plan, {}, {}, MissPolicy::kError, {reason, "why"}).command;
  };
  EXPECT_EQ(command(MissReason::kCubinRefused), "") << "it would make the same cubin again";
  EXPECT_THAT(command(MissReason::kAbsent), HasSubstr("precompile-cache"));
  EXPECT_THAT(command(MissReason::kStoreUnreadable), HasSubstr("precompile-cache"));
}

TEST_F(MissTest, CallbacksAreToldUtf8Only) {
  ContextOptions odd = options();
  odd.cache_path = directory_ / "\xff\x1b[2J";
  std::filesystem::create_directory(odd.cache_path);
  std::filesystem::permissions(odd.cache_path, std::filesystem::perms::all);
  const Context context(odd);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_THAT(warnings_.front(), HasSubstr("\\xff\\u001b[2J everybody may write"));
}

TEST_F(MissTest, WhatIsThrownIsUtf8Only) {
  ContextOptions odd = options();
  odd.cache_path = directory_ / "\xff\x1b[2J";
  std::filesystem::create_directories(std::filesystem::path(odd.cache_path) / cache::Store::file_name());
  std::filesystem::permissions(odd.cache_path, std::filesystem::perms::owner_all);
  odd.on_miss = MissPolicy::kError;
  const MissError error = refusal(Context(odd), small_config());
  EXPECT_THAT(error.what(), HasSubstr("\\xff\\u001b[2J"));
  EXPECT_THAT(error.miss().why, HasSubstr("\\xff\\u001b[2J"));
  odd.on_miss = MissPolicy::kAllow;
  odd.nvrtc_path = "/\xff\x1b[2J.so";
  try {
    const MhaVarlen op(Context(odd), small_config());
    FAIL() << "it was compiled without a compiler";
  } catch (const Error& caught) {
    EXPECT_THAT(caught.what(), AllOf(HasSubstr("/\\xff\\u001b[2J.so"), HasSubstr("\n  ")));
  }
}

// ---- counters

TEST(CacheCounters, JsonHasEveryCounterAndSumsAddUp) {
  CacheCounters counters{.loaded_hits = 1, .store_hits = 3, .misses = 5, .compile_seconds = 0.5};
  counters += CacheCounters{.loaded_hits = 10, .evicted_rows = 2, .compile_seconds = 0.25, .store_write_seconds = 1};
  const json object = json::parse(to_json(counters));
  EXPECT_EQ(object.size(), sizeof(CacheCounters) / 8);
  EXPECT_EQ(object["loaded_hits"], 11);
  EXPECT_EQ(object["store_hits"], 3);
  EXPECT_EQ(object["misses"], 5);
  EXPECT_EQ(object["evicted_rows"], 2);
  EXPECT_EQ(object["compile_seconds"], 0.75);
  EXPECT_EQ(object["store_write_seconds"], 1.0);
  EXPECT_EQ(object["waits"], 0);
}

TEST_F(MissTest, CountersFollowTheTiers) {
  std::int64_t kernels = 0;
  {
    const Context context(options());
    const MhaVarlen first(context, small_config());
    const CacheCounters cold = context.counters();
    kernels = cold.compiles;
    EXPECT_GE(kernels, 1);
    EXPECT_EQ(cold.misses, kernels);
    EXPECT_EQ(cold.memory_hits + cold.store_hits + cold.loaded_hits + cold.loads, 0);
    EXPECT_GT(cold.compile_seconds, 0.01);
    EXPECT_GT(cold.store_write_seconds, 0);
    EXPECT_GT(cold.store_read_seconds, 0);
    const MhaVarlen second(context, small_config());
    EXPECT_EQ(context.counters().memory_hits, kernels);
    EXPECT_EQ(context.counters().compiles, kernels);
  }
  const Context warm(options());
  const MhaVarlen third(warm, small_config());
  EXPECT_EQ(warm.counters().store_hits, kernels);
  EXPECT_EQ(warm.counters().misses + warm.counters().compiles, 0);
  EXPECT_EQ(warm.counters().compile_seconds, 0);
}

}  // namespace
}  // namespace attnjit
