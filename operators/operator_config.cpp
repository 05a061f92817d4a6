#include "operators/operator_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <utility>

#include "attnjit/error.hpp"
#include "operators/mask_from_topk/fields.h"
#include "operators/mask_from_topk/kernels.h"
#include "operators/masked_mha/fields.h"
#include "operators/masked_mha/kernels.h"
#include "operators/merge_states/fields.h"
#include "operators/merge_states/kernels.h"
#include "operators/mha_varlen/fields.h"
#include "operators/mha_varlen/kernels.h"
#include "operators/mla_decode/fields.h"
#include "operators/mla_decode/kernels.h"
#include "runtime/dtypes.h"

namespace attnjit::runtime {
namespace {

using Json = nlohmann::ordered_json;
/// Fields as given, from either a JSON object or KEY=VALUE words.
using Values = std::vector<std::pair<std::string, Json>>;

// ---- operators and their fields

/// Calls visit(name, member, required) for each field of a config.
template <class Config, class Visit>
void visit_fields(Config& config, const Visit& visit) {
  using Plain = std::remove_const_t<Config>;
  if constexpr (std::is_same_v<Plain, MaskedMhaConfig>) {
    visit_fields(config.attention, visit);  // its fields are those of the attention that is masked
  } else if constexpr (!std::is_empty_v<Plain>) {
    for_each_field<Plain>([&](const auto& field) { visit(field.name, config.*field.cpp, field.required); });
  }
}

std::vector<KernelPlan> plans_of(const MhaVarlenConfig& config, const SmFeatures& features) {
  return choose_mha_varlen(config, features)->plans();
}
std::vector<KernelPlan> plans_of(const MlaDecodeConfig& config, const SmFeatures& features) {
  return choose_mla_decode(config, features)->plans();
}
std::vector<KernelPlan> plans_of(const MergeStatesConfig& config, const SmFeatures& features) {
  return choose_merge_states(config, features)->plans();
}

std::vector<KernelPlan> plans_of(const MaskFromTopkConfig& config, const SmFeatures& features) {
  return choose_mask_from_topk(config, features)->plans();
}
std::vector<KernelPlan> plans_of(const MaskedMhaConfig& config, const SmFeatures& features) {
  return choose_masked_mha(config, features)->plans();
}

// ---- errors

/// Levenshtein distance: how many letters to insert, delete or replace to turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// "; did you mean head_dim_qk?", or nothing if no name is close enough to be a typo.
std::string suggestion(std::string_view given, const std::vector<std::string_view>& names) {
  const auto nearest =
      std::ranges::min_element(names, {}, [&](std::string_view name) { return edit_distance(given, name); });
  if (nearest == names.end() || edit_distance(given, *nearest) > std::max<std::size_t>(2, nearest->size() / 3))
    return "";
  return fmt::format("; did you mean {}?", *nearest);
}

[[noreturn]] void refuse(const std::string& message) { throw Error(Status::kInvalidArgument, message); }

/// Formats a value for a message. Lists and objects are not written out: that takes a stack frame per level, and they
/// can be nested as deep as their text is long. The bytes of a KEY=VALUE word need not be UTF-8.
std::string shown(const Json& value) {
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  return value.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

[[noreturn]] void refuse_value(const char* field, const Json& value, std::string_view allowed,
                               std::string_view hint = "") {
  refuse(fmt::format("{} is {}, but it takes {}{}", field, shown(value), allowed, hint));
}

// ---- values

constexpr std::string_view kDTypesAllowed =
    "float16 (f16, fp16), bfloat16 (bf16), float8_e4m3 (e4m3) or float32 (f32, fp32)";

Json write(int value) { return value; }
Json write(bool value) { return value; }
Json write(DType value) { return to_string(value); }
Json write(CacheFormat value) { return kCacheFormatNames.at(static_cast<std::size_t>(value)); }
Json write(const std::optional<DType>& value) { return value ? write(*value) : Json(nullptr); }

bool fits_int(const Json& value) {
  // Signed and unsigned are read separately: a number above the signed range would read as a negative one.
  if (value.is_number_unsigned()) return std::in_range<int>(value.get<std::uint64_t>());
  return value.is_number_integer() && std::in_range<int>(value.get<std::int64_t>());
}

void read(const char* field, const Json& value, int& into) {
  if (!fits_int(value)) refuse_value(field, value, "an integer");
  into = value.get<int>();
}

void read(const char* field, const Json& value, bool& into) {
  if (value.is_boolean()) {
    into = value.get<bool>();
  } else if (value.is_number_integer() && (value == 0 || value == 1)) {
    into = value == 1;
  } else {
    refuse_value(field, value, "true, false, 1 or 0");
  }
}

void read(const char* field, const Json& value, DType& into) {
  if (!value.is_string()) refuse_value(field, value, kDTypesAllowed);
  const std::string& given = value.get_ref<const std::string&>();
  std::vector<std::string_view> names;
  for (const DTypeRow& row : kDTypes) {
    if (!row.element) continue;
    for (const std::string_view name : {std::string_view(row.name), row.aliases[0], row.aliases[1]}) {
      if (name.empty()) continue;
      if (name == given) {
        into = row.dtype;
        return;
      }
      names.push_back(name);
    }
  }
  refuse_value(field, value, kDTypesAllowed, suggestion(given, names));
}

void read(const char* field, const Json& value, CacheFormat& into) {
  constexpr std::string_view kAllowed = "same (the queries' type), e4m3 or e4m3_rows (656 bytes)";
  if (!value.is_string()) refuse_value(field, value, kAllowed);
  const std::string& given = value.get_ref<const std::string&>();
  const auto found = std::ranges::find(kCacheFormatNames, given);
  if (found == kCacheFormatNames.end()) {
    refuse_value(field, value, kAllowed, suggestion(given, {kCacheFormatNames.begin(), kCacheFormatNames.end()}));
  }
  into = static_cast<CacheFormat>(found - kCacheFormatNames.begin());
}

void read(const char* field, const Json& value, std::optional<DType>& into) {
  if (value.is_null()) {
    into.reset();
  } else {
    read(field, value, into.emplace());
  }
}

/// Parses the VALUE of a KEY=VALUE word as JSON: anything that is not a number, boolean or null is a string.
Json value_of_word(std::string_view text) {
  if (text == "true" || text == "false") return text == "true";
  if (text == "null") return nullptr;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return std::string(text);
}

// ---- configs

template <class Config>
Config config_from(const Values& values) {
  constexpr const char* kOperator = Operator<Config>::kNames.front();
  Config config;
  std::vector<std::string_view> names;
  visit_fields(config, [&](const char* name, auto&, bool) { names.push_back(name); });

  std::vector<std::string_view> given;
  for (const Values::value_type& entry : values) {  // no structured binding: clang 14 cannot capture one
    const std::string& name = entry.first;
    if (std::ranges::find(names, name) == names.end()) {
      refuse(fmt::format("{} has no field \"{}\": allowed are {}{}", kOperator, name,
                         names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")), suggestion(name, names)));
    }
    if (std::ranges::find(given, name) != given.end()) {
      refuse(fmt::format("{} is given twice: give each field once", name));
    }
    given.push_back(name);
    visit_fields(config, [&](const char* field, auto& member, bool) {
      if (name == field) read(field, entry.second, member);
    });
  }
  visit_fields(config, [&](const char* field, auto&, bool required) {
    if (required && std::ranges::find(given, field) == given.end()) {
      refuse(fmt::format("{} needs {}: its fields are {}", kOperator, field, fmt::join(names, ", ")));
    }
  });
  return config;
}

/// Tries the alternatives of OperatorConfig in order.
template <std::size_t kIndex = 0>
OperatorConfig config_from(std::string_view name, const Values& values, std::vector<std::string_view> names = {}) {
  if constexpr (kIndex < std::variant_size_v<OperatorConfig>) {
    using Config = std::variant_alternative_t<kIndex, OperatorConfig>;
    for (const std::string_view own : Operator<Config>::kNames) {
      if (own == name) return config_from<Config>(values);
      names.push_back(own);
    }
    return config_from<kIndex + 1>(name, values, std::move(names));
  } else {
    refuse(fmt::format("there is no operator \"{}\": allowed are {}{}", name, fmt::join(names, ", "),
                       suggestion(name, names)));
  }
}

/// Takes "operator" out of the values and reads the rest as its fields.
OperatorConfig config_from(Values values) {
  const auto found = std::ranges::find(values, "operator", &Values::value_type::first);
  if (found == values.end()) refuse("operator is missing: give it, for example operator=mla_prefill");
  if (!found->second.is_string()) refuse_value("operator", found->second, "a name such as \"mla_prefill\"");
  const std::string name = found->second.get<std::string>();
  values.erase(found);
  return config_from(name, values);
}

}  // namespace

std::string to_json(const OperatorConfig& config) {
  return std::visit(
      []<class Config>(const Config& operator_config) {
        Json json = {{"operator", Operator<Config>::kNames.front()}};
        visit_fields(operator_config, [&](const char* name, const auto& member, bool) { json[name] = write(member); });
        return json.dump();
      },
      config);
}

OperatorText text_of(const OperatorConfig& config) {
  return {to_json(config), [](const std::string& json) { return to_words(operator_config_from_json(json)); }};
}

std::string to_words(const OperatorConfig& config) {
  std::string words;
  const Json json = Json::parse(to_json(config));
  for (const auto& [name, value] : json.items()) {
    if (value.is_null()) continue;
    if (!words.empty()) words += ' ';
    words += fmt::format("{}={}", name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return words;
}

OperatorConfig operator_config_from_json(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    refuse(
        fmt::format("an operator is a JSON object such as {{\"operator\":\"mla_prefill\",\"head_dim_qk\":192,"
                    "\"head_dim_v\":128}}, but {} was given",
                    text));
  }
  Values values;
  // Moved: a copy takes a stack frame per level of nesting.
  for (const auto& item : json.items()) values.emplace_back(item.key(), std::move(item.value()));
  return config_from(std::move(values));
}

OperatorConfig operator_config_from_words(const std::vector<std::string>& words) {
  Values values;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      refuse(
          fmt::format("\"{}\" is not KEY=VALUE: give an operator as operator=mla_prefill head_dim_qk=192 "
                      "head_dim_v=128",
                      word));
    }
    values.emplace_back(word.substr(0, equals), value_of_word(std::string_view(word).substr(equals + 1)));
  }
  return config_from(std::move(values));
}

std::vector<KernelPlan> plans(const OperatorConfig& config, const SmFeatures& features) {
  return std::visit([&](const auto& operator_config) { return plans_of(operator_config, features); }, config);
}

}  // namespace attnjit::runtime
