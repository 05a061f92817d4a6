// The size field that begins every struct of the C ABI: what is refused, and what an older caller's smaller struct
// means.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "attnjit/attnjit.h"
#include "c_api_handles.h"

namespace attnjit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

template <class Struct>
using Call = std::function<attnjit_status(Struct*)>;

struct Row {
  std::string name;      // "attnjit_mha_varlen_config"
  std::string macro;     // "ATTNJIT_MHA_VARLEN_CONFIG_INIT"
  std::size_t size;      // sizeof in this header
  std::size_t smallest;  // least that a caller may give
  std::size_t enough;    // enough for a call that works
  /// Calls with a valid struct that claims this size. The library must not read past it.
  std::function<attnjit_status(std::size_t bytes)> call;
};
void PrintTo(const Row& row, std::ostream* stream) { *stream << row.name; }

template <class Struct>
Row row(const char* name, const char* macro, const Struct& good, std::size_t smallest, const Call<Struct>& call) {
  return {name, macro, sizeof(Struct), smallest, smallest, [=](std::size_t bytes) {
            Struct given = good;
            const std::size_t known = std::clamp(bytes, sizeof(std::size_t), sizeof given);
            std::memset(reinterpret_cast<char*>(&given) + known, 0x5a, sizeof given - known);
            given.struct_size = bytes;
            return call(&given);
          }};
}

template <class Config, class Op>
Call<Config> create(attnjit_status (*create_op)(const attnjit_context*, const Config*, Op**), void (*destroy)(Op*)) {
  return [=](Config* config) {
    const ContextHandle context = compile_only_context();
    Op* op = nullptr;
    const attnjit_status status = create_op(context.get(), config, &op);
    EXPECT_EQ(op != nullptr, status == ATTNJIT_OK);
    destroy(op);
    return status;
  };
}

/// The operator is created at the first call and then shared.
template <class Op, class Make>
std::function<const Op*()> shared(const Make& make, void (*destroy)(Op*)) {
  const auto op = std::make_shared<std::shared_ptr<Op>>();
  return [=] {
    if (*op == nullptr) {
      const ContextHandle context = compile_only_context();
      Op* made = nullptr;
      EXPECT_EQ(make(context.get(), &made), ATTNJIT_OK) << attnjit_last_error();
      *op = std::shared_ptr<Op>(made, destroy);
    }
    return op->get();
  };
}

template <class Params, class Op>
Call<Params> run(const std::function<const Op*()>& op,
                 attnjit_status (*run_op)(const Op*, const Params*, attnjit_stream)) {
  return [=](Params* params) { return run_op(op(), params, nullptr); };
}

attnjit_mla_decode_config small_decode_config() {
  attnjit_mla_decode_config config = ATTNJIT_MLA_DECODE_CONFIG_INIT;
  config.kv_lora_rank = 256;
  config.rope_dim = 32;
  return config;
}

attnjit_merge_states_config small_merge_config() {
  attnjit_merge_states_config config = ATTNJIT_MERGE_STATES_CONFIG_INIT;
  config.head_dim = 32;
  return config;
}

std::vector<Row> contexts_and_mha_varlen() {
  const auto mha = shared<attnjit_mha_varlen>(
      [](const attnjit_context* context, attnjit_mha_varlen** op) {
        const attnjit_mha_varlen_config config = small_config();
        return attnjit_mha_varlen_create(context, &config, op);
      },
      attnjit_mha_varlen_destroy);
  constexpr attnjit_cache_counters kCounters = ATTNJIT_CACHE_COUNTERS_INIT;
  constexpr attnjit_mha_varlen_params kParams = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
  return {
      row<attnjit_context_options>("attnjit_context_options", "ATTNJIT_CONTEXT_OPTIONS_INIT", compile_only_options(),
                                   offsetof(attnjit_context_options, arch),
                                   [](attnjit_context_options* options) {
                                     ContextHandle context;
                                     return attnjit_context_create(options, context.out());
                                   }),
      row<attnjit_cache_counters>("attnjit_cache_counters", "ATTNJIT_CACHE_COUNTERS_INIT", kCounters,
                                  offsetof(attnjit_cache_counters, memory_hits),
                                  [](attnjit_cache_counters* counters) {
                                    return attnjit_context_counters(compile_only_context().get(), counters);
                                  }),
      row("attnjit_mha_varlen_config", "ATTNJIT_MHA_VARLEN_CONFIG_INIT", small_config(),
          offsetof(attnjit_mha_varlen_config, rope_dim), create(attnjit_mha_varlen_create, attnjit_mha_varlen_destroy)),
      row("attnjit_mha_varlen_params", "ATTNJIT_MHA_VARLEN_PARAMS_INIT", kParams, sizeof kParams,
          run(mha, attnjit_mha_varlen_run)),
  };
}

std::vector<Row> other_operators() {
  const auto decode = shared<attnjit_mla_decode>(
      [](const attnjit_context* context, attnjit_mla_decode** op) {
        const attnjit_mla_decode_config config = small_decode_config();
        return attnjit_mla_decode_create(context, &config, op);
      },
      attnjit_mla_decode_destroy);
  const auto masked = shared<attnjit_masked_mha>(
      [](const attnjit_context* context, attnjit_masked_mha** op) {
        const attnjit_mha_varlen_config config = small_config();
        return attnjit_masked_mha_create(context, &config, op);
      },
      attnjit_masked_mha_destroy);
  const auto build = shared<attnjit_mask_from_topk>(attnjit_mask_from_topk_create, attnjit_mask_from_topk_destroy);
  const auto merge = shared<attnjit_merge_states>(
      [](const attnjit_context* context, attnjit_merge_states** op) {
        const attnjit_merge_states_config config = small_merge_config();
        return attnjit_merge_states_create(context, &config, op);
      },
      attnjit_merge_states_destroy);
  constexpr attnjit_mla_decode_params kDecode = ATTNJIT_MLA_DECODE_PARAMS_INIT;
  constexpr attnjit_mask_from_topk_params kBuild = ATTNJIT_MASK_FROM_TOPK_PARAMS_INIT;
  static constexpr attnjit_mha_varlen_params kAttention = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
  attnjit_masked_mha_params masked_params = ATTNJIT_MASKED_MHA_PARAMS_INIT;
  masked_params.attention = &kAttention;
  constexpr attnjit_masked_mha_bounds kBounds = ATTNJIT_MASKED_MHA_BOUNDS_INIT;
  constexpr attnjit_merge_states_params kMerge = ATTNJIT_MERGE_STATES_PARAMS_INIT;
  return {
      row("attnjit_mla_decode_config", "ATTNJIT_MLA_DECODE_CONFIG_INIT", small_decode_config(),
          offsetof(attnjit_mla_decode_config, dtype), create(attnjit_mla_decode_create, attnjit_mla_decode_destroy)),
      row("attnjit_mla_decode_params", "ATTNJIT_MLA_DECODE_PARAMS_INIT", kDecode, sizeof kDecode,
          run(decode, attnjit_mla_decode_run)),
      row("attnjit_mask_from_topk_params", "ATTNJIT_MASK_FROM_TOPK_PARAMS_INIT", kBuild, sizeof kBuild,
          run(build, attnjit_mask_from_topk_run)),
      row("attnjit_masked_mha_params", "ATTNJIT_MASKED_MHA_PARAMS_INIT", masked_params, sizeof masked_params,
          run(masked, attnjit_masked_mha_run)),
      row<attnjit_masked_mha_bounds>("attnjit_masked_mha_bounds", "ATTNJIT_MASKED_MHA_BOUNDS_INIT", kBounds,
                                     sizeof kBounds,
                                     [](attnjit_masked_mha_bounds* bounds) {
                                       std::size_t bytes = 0;
                                       return attnjit_masked_mha_workspace_bytes(bounds, &bytes);
                                     }),
      row("attnjit_merge_states_config", "ATTNJIT_MERGE_STATES_CONFIG_INIT", small_merge_config(),
          offsetof(attnjit_merge_states_config, out_dtype),
          create(attnjit_merge_states_create, attnjit_merge_states_destroy)),
      row("attnjit_merge_states_params", "ATTNJIT_MERGE_STATES_PARAMS_INIT", kMerge, sizeof kMerge,
          run(merge, attnjit_merge_states_run)),
  };
}

std::vector<Row> all_rows() {
  std::vector<Row> rows = contexts_and_mha_varlen();
  // Without a device `arch` has to be given, and the cache must not be a file.
  rows.front().enough = offsetof(attnjit_context_options, nvrtc_path);
  std::ranges::move(other_operators(), std::back_inserter(rows));
  return rows;
}

class StructSize : public ::testing::TestWithParam<Row> {
 protected:
  static std::string refusal(std::size_t bytes) {
    const Row& row = GetParam();
    EXPECT_EQ(row.call(bytes), ATTNJIT_INVALID_ARGUMENT) << bytes;
    const std::string text = attnjit_last_error();
    EXPECT_THAT(text, HasSubstr(row.name + ".struct_size is " + std::to_string(bytes)));
    return text;
  }
};

/// One test, since each would compile the operator's kernels again.
TEST_P(StructSize, ZeroTooLargeAndTooSmallAreRefused) {
  const Row& row = GetParam();
  EXPECT_THAT(refusal(0), AllOf(HasSubstr("begin with"), HasSubstr(row.macro)));
  for (const std::size_t bytes : {row.size + 8, std::size_t{1} << 20, ~std::size_t{0}}) {
    EXPECT_THAT(refusal(bytes),
                AllOf(HasSubstr("knows " + std::to_string(row.size) + " bytes"), HasSubstr("newer attnjit.h"),
                      HasSubstr("Load the library that belongs to that header")));
  }
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4}, row.smallest - 8, row.smallest - 4, row.size - 4}) {
    EXPECT_THAT(refusal(bytes), AllOf(HasSubstr("sizeof(" + row.name + "), " + std::to_string(row.size) + " bytes"),
                                      HasSubstr("never less than"), HasSubstr(row.macro + " sets it")));
  }
}

/// Garbage past the size: fields that an older caller's struct does not have get the macro's values.
TEST_P(StructSize, WhatAnOlderCallerDoesNotGiveHasItsDefault) {
  const Row& row = GetParam();
  const attnjit_status whole = row.call(row.size);
  const std::string text = whole == ATTNJIT_OK ? "" : attnjit_last_error();
  EXPECT_THAT(text, ::testing::Not(HasSubstr("struct_size")));
  if (row.smallest == row.size) return;  // no field may be omitted
  EXPECT_EQ(whole, ATTNJIT_OK) << text;
  for (std::size_t bytes = row.enough; bytes < row.size; bytes += 8) {
    EXPECT_EQ(row.call(bytes), ATTNJIT_OK) << bytes << ": " << attnjit_last_error();
  }
}

INSTANTIATE_TEST_SUITE_P(OfEach, StructSize, ::testing::ValuesIn(all_rows()),
                         [](const auto& test) { return test.param.name; });

/// Every struct with an initializer macro is in the table.
TEST(StructSizes, NoStructOfTheHeaderIsLeftOut) {
  std::ifstream file(ATTNJIT_HEADER);
  const std::string header((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_FALSE(header.empty()) << ATTNJIT_HEADER;
  std::set<std::string> macros, tested;
  const std::regex define(R"(#define (ATTNJIT_[A-Z_]+_INIT))");
  for (auto it = std::sregex_iterator(header.begin(), header.end(), define); it != std::sregex_iterator(); ++it) {
    macros.insert((*it)[1]);
  }
  for (const Row& row : all_rows()) tested.insert(row.macro);
  EXPECT_EQ(tested, macros);
}

}  // namespace
}  // namespace attnjit
