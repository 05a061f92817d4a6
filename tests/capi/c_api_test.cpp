// Contexts and operators through the C ABI: status and text of everything that can be wrong without a GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "attnjit/attnjit.h"
#include "attnjit/context.hpp"
#include "c_api_handles.h"

namespace attnjit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

attnjit_status create_context(const attnjit_context_options& options) {
  ContextHandle context;
  const attnjit_status status = attnjit_context_create(&options, context.out());
  EXPECT_EQ(status == ATTNJIT_OK, context.get() != nullptr);
  return status;
}

attnjit_status create_op(const attnjit_mha_varlen_config& config) {
  const ContextHandle context = compile_only_context();
  OpHandle op;
  const attnjit_status status = attnjit_mha_varlen_create(context.get(), &config, op.out());
  EXPECT_EQ(status == ATTNJIT_OK, op.get() != nullptr);
  return status;
}

// ---- names and versions

TEST(CApi, VersionIsThatOfTheCppApi) {
  EXPECT_STREQ(attnjit_version(), version());
  EXPECT_TRUE(std::regex_match(attnjit_version(), std::regex(R"(\d+\.\d+\.\d+)"))) << attnjit_version();
  EXPECT_EQ(attnjit_abi_version(), 1u);
}

TEST(CApi, StatusNames) {
  EXPECT_STREQ(attnjit_status_name(ATTNJIT_OK), "ATTNJIT_OK");
  EXPECT_STREQ(attnjit_status_name(ATTNJIT_NO_COMPILER), "ATTNJIT_NO_COMPILER");
  EXPECT_STREQ(attnjit_status_name(ATTNJIT_INTERNAL), "ATTNJIT_INTERNAL");
  EXPECT_STREQ(attnjit_status_name(static_cast<attnjit_status>(6)), "ATTNJIT_DRIVER_ERROR");
}

// ---- struct sizes

TEST(CApiStructSize, ZeroPointsAtTheInitMacro) {
  attnjit_context_options options = compile_only_options();
  options.struct_size = 0;
  EXPECT_EQ(create_context(options), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), AllOf(HasSubstr("struct_size is 0"), HasSubstr("ATTNJIT_CONTEXT_OPTIONS_INIT")));

  attnjit_mha_varlen_config config = small_config();
  config.struct_size = 0;
  EXPECT_EQ(create_op(config), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("ATTNJIT_MHA_VARLEN_CONFIG_INIT"));
}

TEST(CApiStructSize, LargerThanTheLibrarysIsRefused) {
  struct Newer {
    attnjit_context_options known = compile_only_options();
    std::uint64_t of_a_later_version = 1;
  } newer;
  newer.known.struct_size = sizeof(Newer);
  EXPECT_EQ(create_context(newer.known), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), AllOf(HasSubstr("112"), HasSubstr("104 bytes"), HasSubstr("newer attnjit.h")));
}

TEST(CApiStructSize, OlderCallersGetDefaultsForTheRest) {
  attnjit_context_options options = compile_only_options();
  options.struct_size = offsetof(attnjit_context_options, nvrtc_path);
  // Memory past an older struct belongs to the caller; here it is not even a valid pointer.
  std::memset(reinterpret_cast<char*>(&options) + options.struct_size, 0x5a, sizeof options - options.struct_size);
  EXPECT_EQ(create_context(options), ATTNJIT_OK) << attnjit_last_error();

  attnjit_mha_varlen_config config = small_config();
  config.struct_size = offsetof(attnjit_mha_varlen_config, rope_dim);
  config.rope_dim = config.causal = config.dtype = config.out_dtype = 0x5a5a5a5a;
  EXPECT_EQ(create_op(config), ATTNJIT_OK) << attnjit_last_error();
}

TEST(CApiStructSize, RefusesSizesThatNoStructEverHad) {
  for (const std::size_t size : {std::size_t{8}, std::size_t{12}, std::size_t{15}, std::size_t{20}, std::size_t{63}}) {
    attnjit_context_options options = compile_only_options();
    options.struct_size = size;
    EXPECT_EQ(create_context(options), ATTNJIT_INVALID_ARGUMENT) << size;
    EXPECT_THAT(attnjit_last_error(), HasSubstr("struct_size is " + std::to_string(size)));
  }
}

// ---- contexts

TEST(CApiContext, KnowsItsArch) {
  const ContextHandle context = compile_only_context("90a");
  EXPECT_STREQ(attnjit_context_arch(context.get()), "sm_90a");
  EXPECT_STREQ(attnjit_context_arch(nullptr), "");
}

TEST(CApiContext, NoPlaceForTheHandle) {
  const attnjit_context_options options = compile_only_options();
  EXPECT_EQ(attnjit_context_create(&options, nullptr), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), AllOf(StartsWith("context"), HasSubstr("NULL")));
}

TEST(CApiContext, AFailureLeavesANullHandle) {
  attnjit_context_options options = compile_only_options();
  options.arch = "sm_banana";
  attnjit_context* context = reinterpret_cast<attnjit_context*>(&options);
  EXPECT_EQ(attnjit_context_create(&options, &context), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_EQ(context, nullptr);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("sm_banana"));
}

TEST(CApiContext, CompilerExactIsAFlag) {
  attnjit_context_options options = compile_only_options();
  options.compiler_exact = 2;
  EXPECT_EQ(create_context(options), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("compiler_exact is 2"));
}

// ---- operators

TEST(CApiMhaVarlen, NullArguments) {
  const ContextHandle context = compile_only_context();
  const attnjit_mha_varlen_config config = small_config();
  OpHandle op;
  EXPECT_EQ(attnjit_mha_varlen_create(context.get(), &config, nullptr), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), StartsWith("op "));
  EXPECT_EQ(attnjit_mha_varlen_create(nullptr, &config, op.out()), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), StartsWith("context is NULL"));
  EXPECT_EQ(attnjit_mha_varlen_create(context.get(), nullptr, op.out()), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), StartsWith("attnjit_mha_varlen_config is NULL"));
  EXPECT_EQ(op.get(), nullptr);
}

TEST(CApiMhaVarlen, DTypes) {
  attnjit_mha_varlen_config config = small_config();
  config.dtype = 5;
  EXPECT_EQ(create_op(config), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("dtype is 5"));
  config.dtype = ATTNJIT_FLOAT32;
  EXPECT_EQ(create_op(config), ATTNJIT_UNSUPPORTED);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("float32"));
  config = small_config();
  config.out_dtype = ATTNJIT_FLOAT16;
  EXPECT_EQ(create_op(config), ATTNJIT_UNSUPPORTED);
  EXPECT_THAT(attnjit_last_error(), AllOf(HasSubstr("out_dtype is float16"), HasSubstr("float8_e4m3")));
  config.out_dtype = -2;
  EXPECT_EQ(create_op(config), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("out_dtype is -2"));
  config = small_config();
  config.causal = 7;
  EXPECT_EQ(create_op(config), ATTNJIT_INVALID_ARGUMENT);
  EXPECT_THAT(attnjit_last_error(), HasSubstr("causal is 7"));
}

TEST(CApiMhaVarlen, LogReachesTheCallersFunction) {
  struct Line {
    int level;
    std::string text;
  };
  std::vector<Line> lines;
  attnjit_context_options options = compile_only_options();
  options.log_user = &lines;
  options.log = [](int level, const char* message, void* user) {
    static_cast<std::vector<Line>*>(user)->push_back({level, message});
  };
  ContextHandle context;
  ASSERT_EQ(attnjit_context_create(&options, context.out()), ATTNJIT_OK) << attnjit_last_error();
  const attnjit_mha_varlen_config config = small_config();
  OpHandle op;
  ASSERT_EQ(attnjit_mha_varlen_create(context.get(), &config, op.out()), ATTNJIT_OK) << attnjit_last_error();
  bool named_the_compiler = false;
  for (const Line& line : lines) {
    EXPECT_GE(line.level, 0);
    EXPECT_LE(line.level, 2);
    named_the_compiler |= line.level == 1 && line.text.find("NVRTC") != std::string::npos;
  }
  EXPECT_TRUE(named_the_compiler);
}

// ---- error text

TEST(CApiLastError, BelongsToItsThread) {
  EXPECT_EQ(attnjit_context_create(nullptr, nullptr), ATTNJIT_INVALID_ARGUMENT);
  const std::string here = attnjit_last_error();
  EXPECT_FALSE(here.empty());
  std::thread([&] {
    EXPECT_STREQ(attnjit_last_error(), "");
    attnjit_mha_varlen_config config = small_config();
    config.causal = 3;
    EXPECT_EQ(create_op(config), ATTNJIT_INVALID_ARGUMENT);
    EXPECT_THAT(attnjit_last_error(), HasSubstr("causal is 3"));
  }).join();
  EXPECT_EQ(attnjit_last_error(), here);
}

TEST(CApiLastError, OutlivesASuccess) {
  EXPECT_EQ(attnjit_context_create(nullptr, nullptr), ATTNJIT_INVALID_ARGUMENT);
  const std::string text = attnjit_last_error();
  EXPECT_EQ(create_context(compile_only_options()), ATTNJIT_OK);
  EXPECT_EQ(attnjit_last_error(), text);
}

}  // namespace
}  // namespace attnjit
