// Freeze mode, misses, counters and the size cap through the C ABI.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnjit/attnjit.h"
#include "attnjit/counters.hpp"
#include "c_api_handles.h"
#include "capi/support.h"

namespace attnjit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Told {
  std::string operator_config, arch, key, family, command;
  int policy = -1;
  std::size_t struct_size = 0;
  int reason = -1;
  std::string why;
};

void remember(const attnjit_miss* miss, void* user) {
  static_cast<std::vector<Told>*>(user)->push_back({miss->operator_config, miss->arch, miss->key, miss->family,
                                                    miss->command, miss->policy, miss->struct_size, miss->reason,
                                                    miss->why});
}

attnjit_status make_op(const ContextHandle& context) {
  const attnjit_mha_varlen_config config = small_config();
  OpHandle op;
  return attnjit_mha_varlen_create(context.get(), &config, op.out());
}

attnjit_cache_counters counters_of(const ContextHandle& context) {
  attnjit_cache_counters counters = ATTNJIT_CACHE_COUNTERS_INIT;
  EXPECT_EQ(attnjit_context_counters(context.get(), &counters), ATTNJIT_OK) << attnjit_last_error();
  return counters;
}

TEST(CApiMiss, AFrozenContextRefusesWithAStatusOfItsOwn) {
  std::vector<Told> told;
  attnjit_context_options options = compile_only_options();
  options.miss = remember;
  options.miss_user = &told;
  ContextHandle context;
  ASSERT_EQ(attnjit_context_create(&options, context.out()), ATTNJIT_OK) << attnjit_last_error();
  ASSERT_EQ(attnjit_context_freeze(context.get(), ATTNJIT_MISS_ERROR), ATTNJIT_OK) << attnjit_last_error();

  EXPECT_EQ(make_op(context), ATTNJIT_CACHE_MISS);
  EXPECT_STREQ(attnjit_status_name(ATTNJIT_CACHE_MISS), "ATTNJIT_CACHE_MISS");
  EXPECT_THAT(attnjit_last_error(), AllOf(HasSubstr("\"head_dim_qk\":32"), HasSubstr("sm_90a")));
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(nlohmann::json::parse(told[0].operator_config)["head_dim_v"], 16);
  EXPECT_EQ(told[0].arch, "sm_90a");
  EXPECT_EQ(told[0].key.size(), 64u);
  EXPECT_EQ(told[0].family, "sm80_mha_varlen");
  EXPECT_THAT(told[0].command, HasSubstr("attnjit precompile-cache"));
  EXPECT_EQ(told[0].policy, ATTNJIT_MISS_ERROR);
  EXPECT_EQ(told[0].struct_size, sizeof(attnjit_miss));
  EXPECT_EQ(told[0].reason, ATTNJIT_MISS_ABSENT);
  EXPECT_EQ(told[0].why, "");
  EXPECT_EQ(counters_of(context).compiles, 0);
  EXPECT_EQ(counters_of(context).refusals, 1);

  EXPECT_EQ(attnjit_context_freeze(context.get(), ATTNJIT_MISS_ALLOW), ATTNJIT_OK);
  EXPECT_EQ(make_op(context), ATTNJIT_OK) << attnjit_last_error();
}

TEST(CApiMiss, ThePolicyOfTheOptionsHoldsFromTheStart) {
  attnjit_context_options options = compile_only_options();
  options.on_miss = ATTNJIT_MISS_ERROR;
  ContextHandle context;
  ASSERT_EQ(attnjit_context_create(&options, context.out()), ATTNJIT_OK) << attnjit_last_error();
  EXPECT_EQ(make_op(context), ATTNJIT_CACHE_MISS);
}

struct Line {
  int level;
  std::string text;
};

void keep(int level, const char* message, void* user) {
  static_cast<std::vector<Line>*>(user)->push_back({level, message});
}

std::vector<std::string> warnings(const std::vector<Line>& lines) {
  std::vector<std::string> texts;
  for (const Line& line : lines) {
    if (line.level == 2) texts.push_back(line.text);
  }
  return texts;
}

TEST(CApiMiss, WarnTellsTheLogAndTheCallbackThenCompiles) {
  std::vector<Line> lines;
  std::vector<Told> told;
  attnjit_context_options options = compile_only_options();
  options.log = keep;
  options.log_user = &lines;
  options.miss = remember;
  options.miss_user = &told;
  ContextHandle context;
  ASSERT_EQ(attnjit_context_create(&options, context.out()), ATTNJIT_OK) << attnjit_last_error();
  ASSERT_EQ(attnjit_context_freeze(context.get(), ATTNJIT_MISS_WARN), ATTNJIT_OK) << attnjit_last_error();
  ASSERT_EQ(make_op(context), ATTNJIT_OK) << attnjit_last_error();

  const std::vector<std::string> warned = warnings(lines);
  ASSERT_FALSE(told.empty());
  ASSERT_THAT(warned, SizeIs(told.size()));
  EXPECT_THAT(warned[0], AllOf(HasSubstr("cache miss"), HasSubstr("\"head_dim_qk\":32"), HasSubstr("sm_90a"),
                               HasSubstr("compiling it now"), HasSubstr("give it a cache folder")));
  EXPECT_EQ(told[0].policy, ATTNJIT_MISS_WARN);
  EXPECT_EQ(counters_of(context).compiles, static_cast<std::int64_t>(told.size()));
  EXPECT_EQ(counters_of(context).refusals, 0);

  // A kernel that was compiled is no longer a miss.
  ASSERT_EQ(make_op(context), ATTNJIT_OK) << attnjit_last_error();
  EXPECT_EQ(warnings(lines), warned);
}

/// Sets ATTNJIT_ON_MISS until the end of the scope.
class MissEnvironment {
 public:
  explicit MissEnvironment(const char* value) { ::setenv("ATTNJIT_ON_MISS", value, 1); }
  ~MissEnvironment() { ::unsetenv("ATTNJIT_ON_MISS"); }
  MissEnvironment(const MissEnvironment&) = delete;
  MissEnvironment& operator=(const MissEnvironment&) = delete;
};

TEST(CApiMiss, TheEnvironmentDecidesWhereTheOptionsDoNot) {
  const MissEnvironment environment("error");
  attnjit_context_options options = compile_only_options();
  ASSERT_EQ(options.on_miss, -1);
  ContextHandle context;
  ASSERT_EQ(attnjit_context_create(&options, context.out()), ATTNJIT_OK) << attnjit_last_error();
  EXPECT_EQ(make_op(context), ATTNJIT_CACHE_MISS);
  EXPECT_EQ(counters_of(context).compiles, 0);

  options.on_miss = ATTNJIT_MISS_ALLOW;
  ContextHandle allowed;
  ASSERT_EQ(attnjit_context_create(&options, allowed.out()), ATTNJIT_OK) << attnjit_last_error();
  EXPECT_EQ(make_op(allowed), ATTNJIT_OK) << attnjit_last_error();
}

TEST(CApiMiss, AnEnvironmentThatIsNoPolicyIsRefused) {
  const MissEnvironment environment("eror");
  const attnjit_context_options options = compile_only_options();
  ContextHandle none;
  EXPECT_EQ(attnjit_context_create(&options, none.out()), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), AllOf(HasSubstr("ATTNJIT_ON_MISS is \"eror\""), HasSubstr("allow"),
                                          HasSubstr("warn"), HasSubstr("error")));
}

TEST(CApiMiss, AnOlderCallersOptionsEndBeforeThePolicy) {
  attnjit_context_options options = compile_only_options();
  options.struct_size = offsetof(attnjit_context_options, on_miss);
  std::memset(static_cast<void*>(&options.on_miss), 0x5a, sizeof options - options.struct_size);
  ContextHandle context;
  ASSERT_EQ(attnjit_context_create(&options, context.out()), ATTNJIT_OK) << attnjit_last_error();
  EXPECT_EQ(make_op(context), ATTNJIT_OK) << attnjit_last_error();
}

TEST(CApiMiss, PoliciesAndSizesThatAreNoneAreRefused) {
  const ContextHandle context = compile_only_context();
  EXPECT_EQ(attnjit_context_freeze(context.get(), static_cast<attnjit_miss_policy>(3)), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), AllOf(HasSubstr("policy is 3"), HasSubstr("ATTNJIT_MISS_ERROR")));
  EXPECT_EQ(attnjit_context_freeze(nullptr, ATTNJIT_MISS_ERROR), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("context is NULL"));

  ContextHandle none;
  attnjit_context_options options = compile_only_options();
  options.on_miss = -2;
  EXPECT_EQ(attnjit_context_create(&options, none.out()), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("on_miss (-1: default) is -2"));
  options = compile_only_options();
  options.cache_max_bytes = -2;
  EXPECT_EQ(attnjit_context_create(&options, none.out()), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("cache_max_bytes is -2"));
}

TEST(CApiCounters, SayWhatWasDone) {
  const ContextHandle context = compile_only_context();
  EXPECT_EQ(counters_of(context).compiles, 0);
  ASSERT_EQ(make_op(context), ATTNJIT_OK) << attnjit_last_error();
  ASSERT_EQ(make_op(context), ATTNJIT_OK) << attnjit_last_error();
  const attnjit_cache_counters counters = counters_of(context);
  EXPECT_GE(counters.compiles, 1);
  EXPECT_EQ(counters.misses, counters.compiles);
  EXPECT_EQ(counters.memory_hits, counters.compiles);
  EXPECT_GT(counters.compile_seconds, 0.0);
  EXPECT_EQ(counters.struct_size, sizeof counters);

  const auto json = nlohmann::json::parse(attnjit_context_counters_json(context.get()));
  EXPECT_EQ(json["compiles"], counters.compiles);
  EXPECT_EQ(json["compile_seconds"], counters.compile_seconds);
  EXPECT_STREQ(attnjit_context_counters_json(nullptr), "");
}

TEST(CApiCounters, EveryCounterHasItsPlaceInTheStruct) {
  // Each counter has a different value, so that a swap of two shows.
  constexpr std::size_t kWhole = offsetof(CacheCounters, compile_seconds) / 8;
  constexpr std::size_t kAll = sizeof(CacheCounters) / 8;
  CacheCounters counters;
  for (std::size_t i = 0; i < kAll; ++i) {
    const auto whole = static_cast<std::int64_t>(i + 1);
    const double seconds = 0.5 + static_cast<double>(i);
    std::memcpy(reinterpret_cast<char*>(&counters) + 8 * i, i < kWhole ? static_cast<const void*>(&whole) : &seconds,
                8);
  }
  const attnjit_cache_counters c = c_api::to_c(counters);
  EXPECT_EQ(c.struct_size, sizeof c);
  // All lists have the same order and only members of 8 bytes.
  const char* place = reinterpret_cast<const char*>(&c) + sizeof(std::size_t);
  const auto json = nlohmann::ordered_json::parse(to_json(counters));
  EXPECT_EQ(json.size(), kAll);
  for (const auto& [name, value] : json.items()) {
    EXPECT_NE(value, 0) << name;
    if (value.is_number_float()) {
      double number = 0;
      std::memcpy(&number, place, sizeof number);
      EXPECT_EQ(number, value.get<double>()) << name;
    } else {
      std::int64_t number = 0;
      std::memcpy(&number, place, sizeof number);
      EXPECT_EQ(number, value.get<std::int64_t>()) << name;
    }
    place += 8;
  }
  EXPECT_EQ(place, reinterpret_cast<const char*>(&c) + sizeof c);
  EXPECT_EQ(c.bad_rows, counters.bad_rows);
  EXPECT_EQ(c.store_write_seconds, counters.store_write_seconds);
  EXPECT_EQ(c.fallbacks, counters.fallbacks);
}

TEST(CApiCounters, AnOlderCallersStructIsNotWrittenPastItsEnd) {
  const ContextHandle context = compile_only_context();
  attnjit_cache_counters counters;
  std::memset(&counters, 0x5a, sizeof counters);
  counters.struct_size = offsetof(attnjit_cache_counters, compile_seconds);
  ASSERT_EQ(attnjit_context_counters(context.get(), &counters), ATTNJIT_OK) << attnjit_last_error();
  EXPECT_EQ(counters.store_failures, 0);
  EXPECT_EQ(counters.struct_size, offsetof(attnjit_cache_counters, compile_seconds));
  std::uint64_t beyond = 0;
  std::memcpy(&beyond, &counters.compile_seconds, sizeof beyond);
  EXPECT_EQ(beyond, 0x5a5a5a5a5a5a5a5au);

  counters.struct_size = 0;
  EXPECT_EQ(attnjit_context_counters(context.get(), &counters), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("ATTNJIT_CACHE_COUNTERS_INIT"));
  counters.struct_size = sizeof counters + 8;
  EXPECT_EQ(attnjit_context_counters(context.get(), &counters), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_EQ(attnjit_context_counters(context.get(), nullptr), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_EQ(attnjit_context_counters(nullptr, &counters), ATTNJIT_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace attnjit
